//! An image, found and ready to be unpacked: its configuration and its layers from the lowest up.

use crate::layer::Layer;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One image of an archive.
#[derive(Debug)]
pub struct Image {
    /// How the archive calls it: a tag or a digest.
    pub name: String,
    /// Its tags as the archive writes them.
    pub tags: Vec<String>,
    /// The manifest's media type and bytes, where the archive has one.
    pub manifest: Option<(String, Vec<u8>)>,
    /// The bytes of the configuration.
    pub document: Vec<u8>,
    /// What is known of it besides its files.
    pub configuration: Configuration,
    /// Lowest first.
    pub layers: Vec<Layer>,
    /// Whether the archive names digests to check the layers against.
    pub verifiable: bool,
}

/// An image's configuration: of image-spec, of Docker and of the `json` files of Docker's first layout. They differ
/// only in what may be missing, so everything may be; oci-spec's type refuses `null` and needs `rootfs`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Configuration {
    /// Date and time of its making, RFC 3339.
    pub created: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// The CPU, in Go's words.
    pub architecture: Option<String>,
    /// The CPU's variant.
    pub variant: Option<String>,
    /// The operating system, in Go's words.
    pub os: Option<String>,
    /// Its version.
    #[serde(rename = "os.version")]
    pub os_version: Option<String>,
    /// What it must be able to do.
    #[serde(rename = "os.features")]
    pub os_features: Option<Vec<String>>,
    /// How to run it.
    pub config: Option<Execution>,
    /// The layers' digests.
    pub rootfs: Option<RootFs>,
    /// How the layers were made, lowest first; some steps made none.
    pub history: Option<Vec<Step>>,
    /// Of the first layout: how the layer was made.
    pub container_config: Option<Execution>,
    /// Of the first layout: what its maker said.
    pub comment: Option<String>,
    /// Of the first layout: the identifier of the layer below.
    pub parent: Option<String>,
}

/// How to run a container of the image (image-spec, config.md, `config`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Execution {
    /// `USER[:GROUP]`, names or numbers.
    pub user: Option<String>,
    /// `PORT[/PROTOCOL]`.
    pub exposed_ports: Option<BTreeMap<String, IgnoredAny>>,
    /// `NAME=VALUE`.
    pub env: Option<Vec<String>>,
    /// The program and its first arguments.
    pub entrypoint: Option<OneOrMany>,
    /// More arguments, or the program where there is no entry point.
    pub cmd: Option<OneOrMany>,
    /// Directories whose content is the container's own.
    pub volumes: Option<BTreeMap<String, IgnoredAny>>,
    /// Where the program starts.
    pub working_dir: Option<String>,
    /// Copied into the annotations.
    pub labels: Option<BTreeMap<String, String>>,
    /// The signal that asks the program to end.
    pub stop_signal: Option<String>,
}

/// Docker wrote a single word instead of a list in its early days.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// Just a program.
    One(String),
    /// The list that it should be.
    Many(Vec<String>),
}

impl OneOrMany {
    /// As a list.
    #[must_use]
    pub fn words(&self) -> &[String] {
        match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Many(words) => words,
        }
    }
}

/// The layers that the configuration belongs to.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RootFs {
    /// The digests of the uncompressed layers, lowest first.
    pub diff_ids: Vec<String>,
}

/// A step of an image's making (image-spec, config.md, `history`).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Step {
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What its maker says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether it made no layer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// Which image of an archive, and for which machine.
#[derive(Debug, Default)]
pub struct Wanted {
    /// `NAME[:TAG]`, a tag alone, or a digest.
    pub name: Option<String>,
    /// The machine.
    pub platform: Option<Platform>,
}

/// `OS/ARCHITECTURE[/VARIANT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// As Go calls it: `linux`.
    pub os: String,
    /// As Go calls it: `amd64`, `arm64`.
    pub architecture: String,
    /// `v7`; none matches every one.
    pub variant: Option<String>,
}

impl Platform {
    /// This machine.
    #[must_use]
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            other => other,
        };
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    /// Whether what is offered will do. What is not said about the offer does not speak against it.
    #[must_use]
    pub fn accepts(&self, os: &str, architecture: &str, variant: Option<&str>) -> bool {
        let variant_fits = match (&self.variant, variant) {
            (Some(wanted), Some(offered)) => wanted == offered,
            _ => true,
        };
        self.os == os && self.architecture == architecture && variant_fits
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

impl std::str::FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match words.as_slice() {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some((*variant).to_owned())),
            _ => return Err("should be OS/ARCHITECTURE[/VARIANT], such as linux/arm64".to_owned()),
        };
        if words.iter().any(|word| word.is_empty()) {
            return Err("has an empty part".to_owned());
        }
        Ok(Self { os: (*os).to_owned(), architecture: (*architecture).to_owned(), variant })
    }
}

/// Whether `wanted` is another way to write the image name `offered`: `docker.io/library/` and `:latest` may be left
/// out, as with docker's commands.
#[must_use]
pub fn same_name(wanted: &str, offered: &str) -> bool {
    full_name(wanted) == full_name(offered)
}

fn full_name(name: &str) -> String {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains([':', '@']) { name.to_owned() } else { format!("{name}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_be_written_short() {
        assert!(same_name("ubuntu", "docker.io/library/ubuntu:latest"));
        assert!(same_name("host:5000/a", "host:5000/a:latest"));
        assert!(!same_name("ubuntu", "ubuntu:14.04"));
        assert!(!same_name("host:5000/a:1", "host:5000/a"));
    }

    #[test]
    fn nulls_and_single_words_of_old_configurations_are_read() {
        let json =
            r#"{"config": {"Entrypoint": null, "Cmd": "sh", "Volumes": {"/data": {}}, "Labels": null}}"#;
        let configuration: Configuration = serde_json::from_str(json).unwrap();
        let execution = configuration.config.unwrap();
        assert_eq!(execution.cmd.unwrap().words(), ["sh"]);
        assert!(execution.entrypoint.is_none() && execution.labels.is_none());
    }
}
