//! A hash as it is stored.

use super::{
    PasswordError,
    cost::{check_bounds, is_enough},
};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A PHC string, read and within bounds. Its `Debug` does not show it: a weak password could be
/// guessed from it.
#[derive(Clone)]
pub(crate) struct StoredPassword {
    phc: Box<str>,
    form: Form,
}

#[derive(Clone)]
enum Form {
    Argon2 {
        argon2: Argon2<'static>,
        salt: Box<[u8]>,
        hash: Box<[u8]>,
        /// Whether a new hash might look like this.
        strong: bool,
    },
    Bcrypt {
        cost: u32,
    },
}

/// A cost of 16 takes some seconds.
const MAX_BCRYPT_COST: u32 = 16;

impl StoredPassword {
    /// Reads a PHC string.
    ///
    /// # Errors
    /// As for [`verify`](super::verify).
    pub(crate) fn parse(phc: &str) -> Result<Self, PasswordError> {
        let form = match phc.get(..4) {
            Some("$2a$" | "$2b$" | "$2y$") => parse_bcrypt(phc)?,
            _ => parse_argon2(phc)?,
        };
        let phc = phc.into();
        Ok(Self { phc, form })
    }

    /// Looks like a new hash, and is that of no known password.
    pub(crate) fn nobodys() -> Self {
        Self {
            phc: "".into(),
            form: Form::Argon2 {
                // The crate's default is ours: 19 MiB, 2 passes, 1 lane.
                argon2: Argon2::default(),
                salt: [0; 16].into(),
                hash: [0; 32].into(),
                strong: true,
            },
        }
    }

    /// The PHC string.
    pub(crate) fn as_str(&self) -> &str {
        &self.phc
    }

    /// Whether it is that of `password`; slow.
    ///
    /// # Errors
    /// The memory it takes is not there.
    pub(crate) fn verify(&self, password: &str) -> Result<bool, PasswordError> {
        let failed = |why: &dyn fmt::Display| PasswordError(why.to_string());
        match &self.form {
            Form::Argon2 {
                argon2, salt, hash, ..
            } => {
                let mut own = Zeroizing::new(vec![0; hash.len()]);
                argon2
                    .hash_password_into(password.as_bytes(), salt, &mut own)
                    .map_err(|why| failed(&why))?;
                Ok(hash.ct_eq(&own).into())
            }
            Form::Bcrypt { .. } => bcrypt::verify(password, &self.phc).map_err(|why| failed(&why)),
        }
    }

    /// Whether no new hash may be as cheap to guess.
    pub(crate) fn is_weak(&self) -> bool {
        !matches!(self.form, Form::Argon2 { strong: true, .. })
    }

    /// How much work it takes, to be compared: KiB gone over. A round of bcrypt takes about as
    /// long as 64 of them.
    pub(crate) fn work(&self) -> u64 {
        match &self.form {
            Form::Argon2 { argon2, .. } => {
                let params = argon2.params();
                u64::from(params.m_cost()) * u64::from(params.t_cost())
            }
            Form::Bcrypt { cost } => 64 << cost,
        }
    }
}

fn parse_argon2(phc: &str) -> Result<Form, PasswordError> {
    let no_hash = || {
        let message = "is no hash of a password; a PHC string of argon2id, argon2i, argon2d or \
                       bcrypt is needed, such as $argon2id$v=19$m=19456,t=2,p=1$…";
        PasswordError(message.to_owned())
    };
    let parsed = PasswordHash::new(phc).map_err(|_| no_hash())?;
    let algorithm = Algorithm::try_from(parsed.algorithm.as_str()).map_err(|_| no_hash())?;
    // Strings without a version are older than versions.
    let version = Version::try_from(parsed.version.unwrap_or(0x10)).map_err(|_| no_hash())?;
    let params = Params::try_from(&parsed).map_err(|_| no_hash())?;
    let (Some(salt), Some(hash)) = (&parsed.salt, &parsed.hash) else {
        return Err(no_hash());
    };
    check_bounds(params.m_cost(), params.t_cost(), params.p_cost())?;
    let strong = algorithm == Algorithm::Argon2id
        && version == Version::V0x13
        && is_enough(params.m_cost(), params.t_cost());
    Ok(Form::Argon2 {
        argon2: Argon2::new(algorithm, version, params),
        salt: salt.as_ref().into(),
        hash: hash.as_bytes().into(),
        strong,
    })
}

fn parse_bcrypt(phc: &str) -> Result<Form, PasswordError> {
    let parts: bcrypt::HashParts = phc
        .parse()
        .map_err(|_| PasswordError("is no hash of bcrypt: 60 characters are needed".to_owned()))?;
    match parts.get_cost() {
        cost @ 4..=MAX_BCRYPT_COST => Ok(Form::Bcrypt { cost }),
        _ => Err(PasswordError(
            "has a cost of bcrypt beyond 4 to 16".to_owned(),
        )),
    }
}

impl fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredPassword")
            .field("is_weak", &self.is_weak())
            .finish_non_exhaustive()
    }
}
