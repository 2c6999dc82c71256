//! Trusted certificates for `https://` hosts.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use rustls_platform_verifier::BuilderVerifierExt;

use super::HostError;

/// TLS trust settings, named as in curl.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Trust {
    /// Trusted certificates (PEM) for https:// hosts, instead of the system's.
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Accept any certificate from https:// hosts.
    #[arg(short = 'k', long, conflicts_with = "cacert")]
    pub insecure: bool,
}

/// TLS settings for a host.
#[derive(Debug, Clone)]
pub struct Secure {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Secure {
    /// Creates the settings for the host of this name.
    ///
    /// # Errors
    /// Returns an error if the certificates cannot be read, or if the name is not valid in a
    /// certificate.
    pub fn new(name: &str, trust: &Trust) -> Result<Self, HostError> {
        let wrong = |reason: String| HostError::Tls { name: name.to_owned(), reason };
        let server = ServerName::try_from(name.to_owned()).map_err(|e| wrong(e.to_string()))?;
        Ok(Self { config: Arc::new(config(trust).map_err(wrong)?), name: server })
    }

    /// Starts a new session; users are independent, so none resumes another one's session.
    pub fn session(&self) -> Result<ClientConnection, Error> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone())
    }
}

fn config(trust: &Trust) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let whom = match (&trust.cacert, trust.insecure) {
        (_, true) => Some(Whom::Anybody),
        (Some(path), false) => Some(known(path, &provider)?),
        (None, false) => None,
    };
    let builder = match whom {
        Some(whom) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier { provider, whom })),
        None => builder.with_platform_verifier().map_err(|e| e.to_string())?,
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn known(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Whom, String> {
    let wrong = |why: String| format!("{}: {why}", path.display());
    let mut roots = RootCertStore::empty();
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))? {
        let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
        roots.add(certificate.clone()).map_err(|e| wrong(e.to_string()))?;
        certificates.push(certificate);
    }
    if roots.is_empty() {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    Ok(Whom::Known { verifier: verifier.build().map_err(|e| wrong(e.to_string()))?, certificates })
}

#[derive(Debug)]
enum Whom {
    /// Every certificate, as in `curl --insecure`, even an unreadable one such as X.509 version 1.
    /// Nothing is verified.
    Anybody,
    /// Certificates that one of these vouches for, and these themselves. (`openssl req -x509` makes
    /// self-signed certificates, which chain verifiers refuse.)
    Known { verifier: Arc<WebPkiServerVerifier>, certificates: Vec<CertificateDer<'static>> },
}

#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    whom: Whom,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.whom {
            Whom::Anybody => Ok(ServerCertVerified::assertion()),
            Whom::Known { verifier, certificates } => {
                match verifier.verify_server_cert(certificate, chain, name, ocsp, now) {
                    Err(Error::InvalidCertificate(
                        CertificateError::Other(_) | CertificateError::UnknownIssuer,
                    )) if certificates.contains(certificate) => {
                        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                        Ok(ServerCertVerified::assertion())
                    }
                    verified => verified,
                }
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if matches!(self.whom, Whom::Anybody) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if matches!(self.whom, Whom::Anybody) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
