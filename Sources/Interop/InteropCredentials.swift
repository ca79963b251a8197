package import TLS

/// The certificates of an interoperability program: files that the command line names, or those of
/// the directory that holds the gRPC project's well-known test credentials.
package struct InteropCredentials: Sendable {
    /// The environment variable that names the directory with `server1.pem`, `server1.key` and
    /// `ca.pem`.
    package static let directoryVariable = "INTEROP_TEST_CREDENTIALS"

    private let directory: String?

    package init(environment: [String: String]) {
        let value = environment[Self.directoryVariable] ?? ""
        directory = value.isEmpty ? nil : value
    }

    /// What the server presents.
    package func server(certificate: String?, key: String?) throws -> TLSServerConfiguration {
        let files = TLSCredentialFiles(
            certificateChain: try certificate ?? file("server1.pem", "--tls_cert_file"),
            privateKey: try key ?? file("server1.key", "--tls_key_file"),
            trustRoots: nil
        )
        return TLSServerConfiguration(credentials: try TLSCredentials(files: files))
    }

    /// Whom the client trusts: the given file, the test authority, or what the system trusts.
    package func client(
        authority: String?,
        usesTestAuthority: Bool,
        expectedHost: String?
    ) throws -> TLSClientConfiguration {
        var roots = authority
        if roots == nil, usesTestAuthority { roots = try file("ca.pem", "--ca_file") }
        let files = TLSCredentialFiles(certificateChain: nil, privateKey: nil, trustRoots: roots)
        return TLSClientConfiguration(
            credentials: try TLSCredentials(files: files),
            verification: .hostname(expectedHost)
        )
    }

    private func file(_ name: String, _ flag: String) throws -> String {
        guard let directory else {
            throw InteropFailure(
                description: "expected \(flag), or \(Self.directoryVariable) with \(name) in it"
            )
        }
        return "\(directory)/\(name)"
    }
}
