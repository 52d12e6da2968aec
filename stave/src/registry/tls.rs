//! Connections to registries: ureq's sockets with rustls on top, so that the trust is decided here: the certificates of the
//! system, those of `/etc/docker/certs.d/HOST` and those of `--ca-file`.

use crate::error::During;
use anyhow::{Context, Result, ensure};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme, StreamOwned,
};
use std::ffi::OsStr;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

/// Where systems keep the certificates that they trust, in one file.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Where Docker looks for a registry's own ones.
const DOCKER: &str = "/etc/docker/certs.d";

/// Puts TLS around the connections that need it.
#[derive(Debug)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Reads the certificates for `host`, which may have a port.
    pub(super) fn new(host: &str, ca_file: Option<&Path>) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        if let Some(path) = system_file() {
            // A system's list may have odd ones among many.
            roots.add_parsable_certificates(certificates(&path)?);
        }
        let own = own_files(&Path::new(DOCKER).join(host))?;
        let mut pinned = Vec::new();
        for path in own.authorities.iter().map(PathBuf::as_path).chain(ca_file) {
            for certificate in certificates(path)? {
                let added = roots.add(certificate.clone());
                added.with_context(|| format!("{}: a certificate", path.display()))?;
                pinned.push(certificate);
            }
        }
        ensure!(
            !roots.is_empty(),
            "there are no certificates to trust; install ca-certificates, or use --ca-file"
        );
        let web = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let verifier = Arc::new(Verifier { web: web.build().context("the certificates")?, pinned });
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("tls")?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match own.client {
            Some((certificate, key)) => {
                let chain = certificates(&certificate)?;
                let secret = PrivateKeyDer::from_pem_file(&key);
                let secret = secret.map_err(|error| anyhow::anyhow!("{}: {error}", key.display()))?;
                config
                    .with_client_auth_cert(chain, secret)
                    .with_context(|| certificate.display().to_string())?
            }
            None => config.with_no_client_auth(),
        };
        Ok(Self(Arc::new(config)))
    }
}

/// `SSL_CERT_FILE`, as with OpenSSL and Go, or the system's.
fn system_file() -> Option<PathBuf> {
    let named = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| SYSTEM.iter().map(PathBuf::from).find(|path| path.exists()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let bytes =
        std::fs::read(path).during(|| "read".to_owned()).with_context(|| path.display().to_string())?;
    let all = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    ensure!(!all.is_empty(), "{}: there is no certificate in it", path.display());
    Ok(all)
}

/// What Docker's folder has for a host.
#[derive(Debug, Default, PartialEq)]
struct Own {
    authorities: Vec<PathBuf>,
    client: Option<(PathBuf, PathBuf)>,
}

/// `*.crt` are authorities, `*.cert` with `*.key` of the same name the client's own.
fn own_files(directory: &Path) -> Result<Own> {
    let mut own = Own::default();
    let entries = match directory.read_dir() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(own),
        entries => entries.during(|| format!("{}: read the directory", directory.display()))?,
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        match path.extension().and_then(OsStr::to_str) {
            Some("crt") => own.authorities.push(path),
            Some("cert") => {
                let key = path.with_extension("key");
                ensure!(key.exists(), "{}: its key {} is missing", path.display(), key.display());
                own.client.get_or_insert((path, key));
            }
            _ => {}
        }
    }
    Ok(own)
}

/// WebPKI's rules, and one more: a certificate that the operator gave by itself may be the server's own. That is what the
/// usual recipe for a registry of one's own makes (`openssl req -x509`); WebPKI refuses an authority as a server.
#[derive(Debug)]
struct Verifier {
    web: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.web.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // WebPKI looks at the time before it looks at the certificate's purpose.
            Err(error) if is_authority(&error) && self.pinned.iter().any(|own| own == end_entity) => {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&parsed, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.web.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.web.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.web.supported_verify_schemes()
    }
}

fn is_authority(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(error))) = error else {
        return false;
    };
    matches!(error.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, Stream>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        below: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(below) = below else { return Ok(None) };
        if !details.needs_tls() || below.is_tls() {
            return Ok(Some(Either::A(below)));
        }
        let host = details.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let name = ServerName::try_from(host).map_err(|_| ureq::Error::BadUri(details.uri.to_string()))?;
        let mut connection = ClientConnection::new(Arc::clone(&self.0), name.to_owned()).map_err(wrapped)?;
        let mut socket = TransportAdapter::new(below.boxed(), details.current_time.clone());
        socket.set_timeout(details.timeout);
        connection.complete_io(&mut socket)?;
        let (input, output) = (details.config.input_buffer_size(), details.config.output_buffer_size());
        let stream = StreamOwned { conn: connection, sock: socket };
        Ok(Some(Either::B(Stream { stream, buffers: LazyBuffers::new(input, output) })))
    }
}

fn wrapped(error: rustls::Error) -> ureq::Error {
    std::io::Error::new(ErrorKind::InvalidData, error).into()
}

/// A connection with TLS.
pub(super) struct Stream {
    stream: StreamOwned<ClientConnection, TransportAdapter>,
    buffers: LazyBuffers,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stream")
    }
}

impl Transport for Stream {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        Ok(self.stream.write_all(output)?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        let got = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(got);
        Ok(got > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_host_is_read_as_docker_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        assert_eq!(own_files(&path("none")).unwrap(), Own::default());
        for name in ["b.crt", "a.crt", "client.cert", "client.key", "notes.txt"] {
            std::fs::write(path(name), "").unwrap();
        }
        let own = own_files(directory.path()).unwrap();
        assert_eq!(own.authorities, [path("a.crt"), path("b.crt")]);
        assert_eq!(own.client, Some((path("client.cert"), path("client.key"))));
        std::fs::remove_file(path("client.key")).unwrap();
        let error = own_files(directory.path()).unwrap_err().to_string();
        assert!(error.contains("its key") && error.contains("client.key is missing"), "{error}");
    }
}
