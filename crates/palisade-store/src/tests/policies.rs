//! What a policy says of its store.

use super::Folder;
use palisade_core::Policy;

#[tokio::test]
async fn a_policy_names_its_database() {
    let folder = Folder::new();
    let text = format!(
        "[api_key.partners]\nstore = \"{0}\"\n[basic.services]\nstore = \"{0}\"\n",
        folder.url()
    );
    let policy = Policy::from_toml_str(&text).unwrap();
    let palisade = policy.with(crate::companion()).build().unwrap();
    palisade.ready().await.unwrap();
    assert!(folder.file().is_file());
}

#[test]
fn a_database_that_is_none_is_a_mistake() {
    let text = "[api_key.partners]\nstore = \"sqlite::memory:\"\n";
    let policy = Policy::from_toml_str(text).unwrap();
    let error = policy.with(crate::companion()).build().unwrap_err();
    let message = error.to_string();
    assert!(message.contains("api_key.partners.store"), "{message}");
    assert!(message.contains("names no file that is kept"), "{message}");
}
