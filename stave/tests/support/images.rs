//! Image archives around layers, in each layout.

use super::tar::{Tar, dir, file, symlink};
use serde_json::{Value, json};
use stave::digest::Digest;
use std::path::Path;

pub const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
pub const PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";

/// A configuration for these uncompressed layers.
pub fn configuration(layers: &[Vec<u8>], execution: &Value) -> Vec<u8> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let json = json!({
        "architecture": "amd64", "os": "linux", "config": execution,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    json.to_string().into_bytes()
}

/// `docker save` since 1.10, one image for each tag.
pub fn docker(images: &[(&str, &[Vec<u8>])]) -> Vec<u8> {
    let mut tar = Tar::new();
    let mut manifest = Vec::new();
    for (index, (tag, layers)) in images.iter().enumerate() {
        let config = configuration(layers, &json!({ "Cmd": [format!("/run{index}")] }));
        let config_name = format!("{}.json", Digest::of(&config).hex());
        tar = tar.add(file(&config_name, &config));
        let mut paths = Vec::new();
        for (number, layer) in layers.iter().enumerate() {
            let path = format!("{index}{number}/layer.tar");
            tar = tar.add(file(&path, layer));
            paths.push(path);
        }
        let tags = if tag.is_empty() { Value::Null } else { json!([tag]) };
        manifest.push(json!({ "Config": config_name, "RepoTags": tags, "Layers": paths }));
    }
    tar.add(file("manifest.json", Value::from(manifest).to_string())).end()
}

/// A docker archive of one image named `test:1`.
pub fn docker_one(layers: &[Vec<u8>]) -> Vec<u8> {
    docker(&[("test:1", layers)])
}

/// `docker save` until 1.9: one chain of layers, tagged `test:1`.
pub fn legacy(layers: &[Vec<u8>], with_repositories: bool) -> Vec<u8> {
    let id = |index: usize| format!("{index:064x}");
    let mut tar = Tar::new();
    for (index, layer) in layers.iter().enumerate() {
        let mut json = json!({ "id": id(index), "architecture": "amd64", "os": "linux" });
        if index > 0 {
            json["parent"] = json!(id(index - 1));
        }
        json["config"] = if index + 1 == layers.len() { json!({ "Cmd": ["/top"] }) } else { Value::Null };
        let name = id(index);
        tar = tar.add(dir(format!("{name}/"))).add(file(format!("{name}/VERSION"), "1.0"));
        tar = tar.add(file(format!("{name}/json"), json.to_string()));
        // Docker 20.10 stores a layer that it has written before as a link to it.
        let twin = layers[..index].iter().position(|other| other == layer);
        tar = tar.add(match twin {
            Some(twin) => symlink(format!("{name}/layer.tar"), format!("../{}/layer.tar", id(twin))),
            None => file(format!("{name}/layer.tar"), layer),
        });
    }
    if with_repositories {
        let repositories = json!({ "test": { "1": id(layers.len() - 1) } });
        tar = tar.add(file("repositories", repositories.to_string()));
    }
    tar.end()
}

/// An OCI image layout in the making.
#[derive(Default)]
pub struct Layout {
    pub blobs: Vec<(String, Vec<u8>)>,
    pub manifests: Vec<Value>,
}

impl Layout {
    /// Adds a blob and gives its descriptor.
    pub fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        self.blobs.push((digest.blob_path(), bytes.to_vec()));
        json!({ "mediaType": media_type, "digest": digest.to_string(), "size": bytes.len() })
    }

    /// Adds an image and gives the descriptor of its manifest. Each layer: the tar, the media type, the packed bytes.
    pub fn image(&mut self, layers: &[(Vec<u8>, &str, Vec<u8>)], execution: &Value) -> Value {
        let raw: Vec<Vec<u8>> = layers.iter().map(|(raw, ..)| raw.clone()).collect();
        let config = configuration(&raw, execution);
        let config = self.blob("application/vnd.oci.image.config.v1+json", &config);
        let layers: Vec<Value> = layers.iter().map(|(_, kind, packed)| self.blob(kind, packed)).collect();
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers });
        self.blob("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes())
    }

    /// Adds an image that stands in the index under `tag`.
    pub fn tagged(&mut self, tag: &str, layers: &[(Vec<u8>, &str, Vec<u8>)]) {
        let mut descriptor = self.image(layers, &json!({ "Cmd": ["/bin/true"] }));
        descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        self.manifests.push(descriptor);
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let index = json!({ "schemaVersion": 2, "manifests": self.manifests });
        let mut files = vec![
            ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
            ("index.json".to_owned(), index.to_string().into_bytes()),
        ];
        files.extend(self.blobs.clone());
        files
    }

    /// As a tar file.
    pub fn tar(&self) -> Vec<u8> {
        self.files().iter().fold(Tar::new(), |tar, (path, bytes)| tar.add(file(path, bytes))).end()
    }

    /// As a directory.
    pub fn write(&self, directory: &Path) {
        for (path, bytes) in self.files() {
            let path = directory.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}
