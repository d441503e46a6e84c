//! An adapter that is not of this workspace proves itself with its cases. It is written with public items alone, as a crate
//! elsewhere would: `adapter.rs` is plain hyper in front of core, `application.rs` the probe application behind it.
//!
//! ```text
//! let report = run(&suite()?, &[&PlainHyper], &Filter::default())?;
//! assert!(report.is_green(), "{report}");
//! ```

mod adapter;
mod application;

use std::sync::Arc;

use adapter::Site;
use palisade_conformance::{
    App, CaseInfo, Except, Filter, Fixture, Harness, MatrixReport, Running, harness, must_be_red,
    run, suite,
};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// The adapter, as the runner sees it.
struct PlainHyper {
    /// Forgets what `close` adds to a response.
    forgets_to_close: bool,
}

impl Harness for PlainHyper {
    fn name(&self) -> &'static str {
        "hyper"
    }

    fn start(&self, fixture: &Fixture) -> Result<Running, String> {
        let layered = fixture.app != App::Unlayered;
        let site = Arc::new(Site {
            palisade: layered.then(|| fixture.palisade()).transpose()?,
            handled: fixture.handled.clone(),
            tells_peer: fixture.app != App::Peerless,
            closes: !self.forgets_to_close,
        });
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|why| why.to_string())?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.map_err(|why| why.to_string())?;
        let address = listener.local_addr().map_err(|why| why.to_string())?;
        runtime.spawn(adapter::accept(listener, site));
        Ok(Running::new(address, move || runtime.shutdown_background()))
    }

    fn parsers(&self) -> Vec<&'static str> {
        vec!["axum"]
    }

    fn except(&self, case: &CaseInfo<'_>) -> Option<Except> {
        // The router compares segments as they are sent, as that of axum does.
        let is_of_the_router = case.file == "corpus/paths";
        case.except_of("axum").filter(|_| is_of_the_router)
    }
}

/// Runs the cases that `keep` chooses on the foreign adapter and on that for axum.
fn report(
    forgets_to_close: bool,
    keep: impl FnMut(&CaseInfo<'_>) -> bool,
) -> Result<MatrixReport, String> {
    let mut suite = suite()?;
    suite.retain(keep);
    let adapter = PlainHyper { forgets_to_close };
    let mut harnesses = harness::all();
    harnesses.retain(|harness| harness.name() == "axum");
    harnesses.push(&adapter);
    run(&suite, &harnesses, &Filter::default())
}

#[test]
fn a_foreign_adapter_does_what_the_cases_say() {
    // The example application is not served; the other folders are about what core asks elsewhere.
    let folders = ["auth/", "jwt/", "limits/", "oauth/", "store/"];
    let report = report(false, |case| {
        case.app != App::Demo && !folders.iter().any(|folder| case.file.starts_with(folder))
    })
    .unwrap();
    assert!(report.is_green(), "{report}");
}

#[test]
fn a_foreign_adapter_that_does_not_close_is_found_out() {
    let report = report(true, |case| case.file == "adapters").unwrap();
    let found = must_be_red(&report, &["adapters: an error leaves through the layer"]);
    assert_eq!(found, Ok(()));
}
