//! Makes a failure small: leaves out pieces, then bytes of pieces, as long as the servers still disagree in the same way.

use super::agree::Difference;
use super::grammar::Stream;

/// How often a stream is tried.
const TRIES: usize = 150;

/// The smallest stream found that `judge` finds to differ in the same way.
pub(super) fn shrink(
    mut stream: Stream,
    wanted: &Difference,
    judge: &mut dyn FnMut(&Stream) -> Option<Difference>,
) -> Stream {
    let mut tries = 0;
    'smaller: loop {
        for candidate in candidates(&stream) {
            tries += 1;
            if tries > TRIES {
                return stream;
            }
            if judge(&candidate).is_some_and(|found| found.is_like(wanted)) {
                stream = candidate;
                continue 'smaller;
            }
        }
        return stream;
    }
}

/// Streams without one piece, then with half of one, then with one byte less.
fn candidates(stream: &Stream) -> impl Iterator<Item = Stream> + use<> {
    let pieces = stream.0.clone();
    let with = move |index: usize, piece: Option<Vec<u8>>| {
        let mut pieces = pieces.clone();
        match piece {
            Some(piece) => pieces.splice(index..=index, [piece]).for_each(drop),
            None => pieces.splice(index..=index, []).for_each(drop),
        }
        Stream(pieces)
    };
    let fewer = (0..stream.0.len()).map(|index| (index, None));
    let halves = stream.0.iter().enumerate().flat_map(|(index, piece)| {
        let middle = (piece.len() > 8).then(|| piece.split_at(piece.len() / 2));
        let halves = middle.map(|(first, second)| [first.to_vec(), second.to_vec()]);
        halves
            .into_iter()
            .flatten()
            .map(move |half| (index, Some(half)))
    });
    let shorter = stream.0.iter().enumerate().flat_map(|(index, piece)| {
        (0..piece.len().min(60)).map(move |place| {
            let mut piece = piece.clone();
            piece.remove(place);
            (index, Some(piece))
        })
    });
    let all: Vec<_> = fewer.chain(halves).chain(shorter).collect();
    all.into_iter()
        .map(move |(index, piece)| with(index, piece))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::agree::Kind;

    #[test]
    fn what_is_not_needed_is_left_out() {
        let stream = Stream(vec![
            b"one".to_vec(),
            b"a long second line".to_vec(),
            b"three".to_vec(),
        ]);
        let difference = Difference {
            kind: Kind::Undeclared,
            at: 0,
            steps: "axum: 200, actix: refused".to_owned(),
        };
        let mut judge = |stream: &Stream| {
            let needed = stream.0.concat().contains(&b's');
            needed.then(|| difference.clone())
        };
        assert_eq!(
            shrink(stream, &difference, &mut judge),
            Stream(vec![b"s".to_vec()])
        );
    }
}
