//! Domains beneath which anybody can have a name: `*.com` lists the whole world.

/// How anybody gets a name beneath a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anybodys {
    /// By registering it: the domain is a top-level one.
    TopLevel,
    /// By registering it in a country's second level, such as `co.uk`, or by a free account at a
    /// host of other people's pages, such as `github.io`.
    Shared,
}

/// Names without a dot that are nobody's to register (RFC 6761, RFC 6762, RFC 8375, and what
/// ICANN has reserved for private use).
const PRIVATE: [&str; 10] = [
    "corp",
    "example",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localhost",
    "test",
];

/// The second levels in which the registries of countries sell names.
const SECOND_LEVELS: [&str; 15] = [
    "ac", "co", "com", "edu", "go", "gob", "gouv", "gov", "govt", "gv", "mil", "ne", "net", "or",
    "org",
];

/// Hosts of other people's pages; anything beneath them counts too, because some have a level for
/// each region. The list is not whole: the one that is (publicsuffix.org) has a licence that binds
/// those who use Palisade.
const HOSTS: [&str; 60] = [
    "amazonaws.com",
    "amplifyapp.com",
    "app.github.dev",
    "appspot.com",
    "awsapprunner.com",
    "azurecontainerapps.io",
    "azureedge.net",
    "azurestaticapps.net",
    "azurewebsites.net",
    "bitbucket.io",
    "blogspot.com",
    "cloudapp.azure.com",
    "cloudapp.net",
    "cloudfront.net",
    "cloudfunctions.net",
    "core.windows.net",
    "csb.app",
    "ddns.net",
    "deno.dev",
    "digitaloceanspaces.com",
    "duckdns.org",
    "elasticbeanstalk.com",
    "firebaseapp.com",
    "fly.dev",
    "framer.app",
    "framer.website",
    "github.io",
    "gitlab.io",
    "gitpod.io",
    "glitch.me",
    "herokuapp.com",
    "hf.space",
    "linodeobjects.com",
    "myshopify.com",
    "netlify.app",
    "ngrok-free.app",
    "ngrok.app",
    "ngrok.dev",
    "ngrok.io",
    "nip.io",
    "no-ip.org",
    "notion.site",
    "now.sh",
    "ondigitalocean.app",
    "onrender.com",
    "pages.dev",
    "readthedocs.io",
    "repl.co",
    "replit.app",
    "replit.dev",
    "run.app",
    "sslip.io",
    "streamlit.app",
    "surge.sh",
    "trafficmanager.net",
    "trycloudflare.com",
    "vercel.app",
    "web.app",
    "webflow.io",
    "workers.dev",
];

impl Anybodys {
    /// Whether a wildcard beneath the domain, in lower case, would take in names of anybody.
    pub(crate) fn of(domain: &str) -> Option<Self> {
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        let Some((first, rest)) = domain.split_once('.') else {
            return (!PRIVATE.contains(&domain)).then_some(Self::TopLevel);
        };
        let of_a_country = rest.len() == 2 && SECOND_LEVELS.contains(&first);
        let hosted = HOSTS.iter().any(|host| {
            let above = domain.strip_suffix(host);
            above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
        });
        (of_a_country || hosted).then_some(Self::Shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_anybody_can_register_is_told_from_what_has_an_owner() {
        for (domain, anybodys) in [
            ("com", Some(Anybodys::TopLevel)),
            ("com.", Some(Anybodys::TopLevel)),
            ("dev", Some(Anybodys::TopLevel)),
            ("co.uk", Some(Anybodys::Shared)),
            ("com.au", Some(Anybodys::Shared)),
            ("github.io", Some(Anybodys::Shared)),
            ("s3.eu-west-1.amazonaws.com", Some(Anybodys::Shared)),
            ("example.com", None),
            ("apps.example.co.uk", None),
            ("notgithub.io", None),
            ("localhost", None),
            ("internal", None),
            ("team.svc", None),
        ] {
            assert_eq!(Anybodys::of(domain), anybodys, "{domain}");
        }
    }
}
