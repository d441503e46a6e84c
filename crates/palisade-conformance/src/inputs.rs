//! What the validating routes of the probe application read: members renamed, nested, flattened, optional and repeated,
//! under rules of `validator` and the ready-made ones.

use palisade_core::validate::rules;
use serde::{Deserialize, Serialize};
use validator::{Validate, ValidationError};

/// `POST /json`.
#[derive(Clone, Debug, Deserialize, Serialize, Validate)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// By a ready-made rule.
    #[validate(custom(function = rules::username))]
    pub username: String,
    /// By a ready-made rule.
    #[validate(custom(function = rules::email))]
    pub email: String,
    /// By a ready-made rule; never echoed.
    #[serde(skip_serializing)]
    #[validate(custom(function = rules::password_strength))]
    pub password: String,
    /// May be absent; if it is there, by a ready-made rule.
    #[validate(custom(function = rules::age))]
    pub age: Option<u8>,
    /// `shipTo`: an object that may be absent.
    #[validate(nested)]
    pub ship_to: Option<Address>,
    /// Objects in a list.
    #[serde(default)]
    #[validate(length(max = 3), nested)]
    pub lines: Vec<Line>,
    /// Objects in a list without an end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[validate(nested)]
    pub gifts: Vec<Line>,
    /// Words of a given set.
    #[serde(default)]
    #[validate(custom(function = known_roles))]
    pub roles: Vec<String>,
    /// A number without an upper bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 0.0))]
    pub weight: Option<f32>,
    /// Its members stand beside the others.
    #[serde(flatten)]
    #[validate(nested)]
    pub extra: Extra,
}

/// Where an order goes.
#[derive(Clone, Debug, Deserialize, Serialize, Validate)]
#[serde(rename_all = "kebab-case")]
pub struct Address {
    /// `street-name`.
    #[validate(length(min = 1, max = 100))]
    pub street_name: String,
    /// `plz`: a name that shares nothing with Rust's.
    #[serde(rename = "plz")]
    #[validate(length(min = 3, max = 10))]
    pub post_code: String,
}

/// A line of an order.
#[derive(Clone, Debug, Deserialize, Serialize, Validate)]
pub struct Line {
    /// What.
    #[validate(length(min = 1))]
    pub article: String,
    /// How many.
    #[serde(rename = "qty")]
    #[validate(range(min = 1, max = 99))]
    pub quantity: u32,
}

/// Members without an object of their own.
#[derive(Clone, Debug, Deserialize, Serialize, Validate)]
pub struct Extra {
    /// May be absent.
    #[validate(length(max = 20))]
    pub note: Option<String>,
}

/// `GET /query`.
#[derive(Clone, Debug, Deserialize, Serialize, Validate)]
pub struct Search {
    /// From 1.
    #[validate(range(min = 1))]
    pub page: u32,
    /// `per-page`; may be absent.
    #[serde(rename = "per-page")]
    #[validate(range(min = 1, max = 100))]
    pub per_page: Option<u32>,
    /// May stand several times.
    #[serde(default)]
    #[validate(length(max = 2))]
    pub tag: Vec<String>,
    /// May be absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 0.0, max = 100.0))]
    pub price: Option<f64>,
}

/// `POST /form`.
#[derive(Clone, Debug, Deserialize, Serialize, Validate)]
pub struct Contact {
    /// By a ready-made rule.
    #[serde(rename = "full-name")]
    #[validate(custom(function = rules::name))]
    pub full_name: String,
    /// By a ready-made rule.
    #[validate(custom(function = rules::email))]
    pub email: String,
    /// May be absent.
    pub subscribe: Option<bool>,
    /// May be absent; without an upper bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 0.0))]
    pub weight: Option<f32>,
}

/// `GET /param/{id}`.
#[derive(Clone, Debug, Deserialize, Serialize, Validate)]
pub struct Param {
    /// From 1 to 1000.
    #[validate(range(min = 1, max = 1000))]
    pub id: u32,
}

/// `GET /measure/{value}`.
#[derive(Clone, Debug, Deserialize, Serialize, Validate)]
pub struct Measure {
    /// From -273.15.
    #[validate(range(min = -273.15))]
    pub value: f64,
}

/// `POST /items`.
#[derive(Clone, Debug, Deserialize, Serialize, Validate)]
pub struct NewItem {
    /// By a ready-made rule.
    #[validate(custom(function = rules::name))]
    pub name: String,
}

/// `GET /claims`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Claims {
    /// Always there.
    pub sub: String,
    /// Claims of the application's own.
    pub team: Option<String>,
    /// A number.
    pub level: Option<u32>,
}

fn known_roles(roles: &[String]) -> Result<(), ValidationError> {
    rules::each_of(roles, &["admin", "user", "guest"])
}
