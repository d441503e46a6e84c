//! Makes the tokens of cases: sound ones, and ones that are wrong in exactly one way.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Map, Value};

use crate::beside::Beside;
use crate::keys::Keys;
use crate::model::{File, Tamper, Token, object};
use crate::text::Macros;

impl File {
    /// The credential `{token:NAME}`, made at `now`.
    pub(crate) fn mint(
        &self,
        name: &str,
        keys: &Keys,
        beside: &Beside,
        now: u64,
    ) -> Result<String, String> {
        let token = self.tokens.get(name);
        let token = token.ok_or_else(|| format!("there is no [token.{name}]"))?;
        token.mint(&self.defaults.token, keys, beside, now)
    }
}

impl Token {
    /// The text as it stands, or the compact form (RFC 7515 §7.1), signed at `now` (Unix seconds).
    pub(crate) fn mint(
        &self,
        defaults: &Self,
        keys: &Keys,
        beside: &Beside,
        now: u64,
    ) -> Result<String, String> {
        if let Some(text) = &self.text {
            return Macros::of_a_token(now, beside).expand(text);
        }
        let key = self
            .key
            .as_deref()
            .or(defaults.key.as_deref())
            .unwrap_or("hs");
        let alg = match (&self.alg, &self.key) {
            (Some(alg), _) => alg,
            // The defaults' algorithm goes with the defaults' key.
            (None, None) if defaults.alg.is_some() => defaults.alg.as_deref().unwrap_or_default(),
            (None, _) => keys.usual_algorithm(key)?,
        };
        let header = match &self.header_json {
            Some(text) => Macros::of_a_token(now, beside).expand(text)?,
            None => {
                let mut header = BTreeMap::from([("alg".to_owned(), Value::from(alg))]);
                header.extend(defaults.header.clone());
                header.extend(self.header.clone());
                if self.tamper == Some(Tamper::None) {
                    header.insert("alg".to_owned(), Value::from("none"));
                }
                object(header, now)
            }
        };
        let claims = match &self.claims_json {
            Some(text) => Macros::of_a_token(now, beside).expand(text)?,
            None => {
                let mut claims = defaults.claims.clone();
                claims.extend(self.claims.clone());
                beside.expand(&object(claims, now))?
            }
        };
        let (header, claims) = (encode(header.as_bytes()), encode(claims.as_bytes()));
        let signature = keys.sign(key, alg, format!("{header}.{claims}").as_bytes())?;
        Ok(self.damage(&header, &claims, signature))
    }

    fn damage(&self, header: &str, claims: &str, mut signature: Vec<u8>) -> String {
        if let (Some(Tamper::Signature), Some(last)) = (self.tamper, signature.last_mut()) {
            *last ^= 1;
        }
        let signed = encode(&signature);
        match self.tamper {
            None | Some(Tamper::Signature) => format!("{header}.{claims}.{signed}"),
            Some(Tamper::Claims) => {
                let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap_or_default();
                let mut claims: Map<String, Value> =
                    serde_json::from_slice(&claims).unwrap_or_default();
                claims.insert("sub".to_owned(), Value::from("mallory"));
                format!(
                    "{header}.{}.{signed}",
                    encode(Value::from(claims).to_string().as_bytes())
                )
            }
            Some(Tamper::None | Tamper::Unsigned) => format!("{header}.{claims}."),
            Some(Tamper::TwoParts) => format!("{header}.{claims}"),
            Some(Tamper::FourParts) => format!("{header}.{claims}.{signed}.{signed}"),
            Some(Tamper::Padding) => format!("{header}=.{claims}=.{signed}="),
            Some(Tamper::TrailingBits) => {
                // Characters in alphabetical order differ in their low bits, which the last one does not carry.
                let mut signed = signed;
                let last = signed.pop().unwrap_or('A');
                signed.push(char::from_u32(u32::from(last) + 1).unwrap_or('B'));
                format!("{header}.{claims}.{signed}")
            }
        }
    }
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(toml: &str) -> Token {
        toml::from_str(toml).unwrap()
    }

    fn mint(toml: &str) -> Vec<String> {
        let defaults = token(
            "claims = { iss = 'https://id.example', exp = '+300' }\nheader = { typ = 'at+jwt' }",
        );
        let text = token(toml)
            .mint(
                &defaults,
                &Keys::shared().unwrap(),
                &Beside::default(),
                1000,
            )
            .unwrap();
        text.split('.')
            .map(|part| {
                BASE64_URL_SAFE_NO_PAD.decode(part).map_or_else(
                    |_| part.to_owned(),
                    |b| String::from_utf8_lossy(&b).into_owned(),
                )
            })
            .collect()
    }

    #[test]
    fn defaults_are_merged_and_times_are_relative() {
        let parts = mint(
            "claims = { sub = 'alice', nbf = '-61', iat = 5, scope = '+1' }\nheader = { kid = 'k' }",
        );
        assert_eq!(parts[0], r#"{"alg":"HS256","kid":"k","typ":"at+jwt"}"#);
        assert_eq!(
            parts[1],
            r#"{"exp":1300,"iat":5,"iss":"https://id.example","nbf":939,"scope":"+1","sub":"alice"}"#
        );
    }

    #[test]
    fn members_can_be_absent_or_exact_text() {
        let parts = mint(
            "claims = { iss = '!absent' }\nheader_json = '{\"alg\":\"HS256\",\"alg\":\"none\"}'",
        );
        assert_eq!(parts[0], r#"{"alg":"HS256","alg":"none"}"#);
        assert_eq!(parts[1], r#"{"exp":1300}"#);
    }

    #[test]
    fn the_header_may_lie_about_the_algorithm() {
        assert!(mint("key = 'rsa'\nalg = 'HS256'")[0].contains("HS256"));
        assert!(mint("key = 'es384'\nheader = { alg = 'ES256' }")[0].contains("ES256"));
        assert!(mint("key = 'ps'")[0].contains("PS256"));
    }

    #[test]
    fn damage_is_what_its_name_says() {
        assert_eq!(mint("tamper = 'none'")[2], "");
        assert!(mint("tamper = 'none'")[0].contains(r#""alg":"none""#));
        assert!(mint("tamper = 'unsigned'")[0].contains(r#""alg":"HS256""#));
        assert_eq!(mint("tamper = 'two_parts'").len(), 2);
        assert_eq!(mint("tamper = 'four_parts'").len(), 4);
        assert!(mint("tamper = 'claims'")[1].contains("mallory"));
        assert!(mint("tamper = 'padding'")[0].ends_with('='));
    }

    #[test]
    fn trailing_bits_spell_the_same_signature_in_another_way() {
        let keys = Keys::shared().unwrap();
        let sound = Token::default()
            .mint(&Token::default(), &keys, &Beside::default(), 0)
            .unwrap();
        let other = token("tamper = 'trailing_bits'")
            .mint(&Token::default(), &keys, &Beside::default(), 0)
            .unwrap();
        assert_ne!(sound, other);
        let loose = base64::engine::GeneralPurpose::new(
            &base64::alphabet::URL_SAFE,
            base64::engine::GeneralPurposeConfig::new()
                .with_decode_allow_trailing_bits(true)
                .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
        );
        let signature = |token: &str| loose.decode(token.rsplit('.').next().unwrap()).unwrap();
        assert_eq!(signature(&sound), signature(&other));
    }

    #[test]
    fn exact_text_may_count_from_the_clock() {
        let parts = mint(r#"claims_json = '{"exp":{now+60},"exp":{now-1}}'"#);
        assert_eq!(parts[1], r#"{"exp":1060,"exp":999}"#);
    }
}
