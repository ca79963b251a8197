import Glibc

/// The PEM files of one side of TLS.
package struct TLSCredentialFiles: Hashable, Sendable {
    /// The own certificate first, then what leads from it to a root.
    package var certificateChain: String?
    package var privateKey: String?
    package var trustRoots: String?

    package init(certificateChain: String?, privateKey: String?, trustRoots: String?) {
        self.certificateChain = certificateChain
        self.privateKey = privateKey
        self.trustRoots = trustRoots
    }

    /// Bytes of one file; a bundle of all public roots has 250 KiB.
    static let maximumFileBytes = 4 * 1024 * 1024

    /// What tells one state of the files from the next without reading them.
    ///
    /// Follows symbolic links, as that is how Kubernetes swaps the files of a secret.
    struct Fingerprint: Hashable {
        fileprivate struct File: Hashable {
            let device: UInt64
            let inode: UInt64
            let size: Int64
            let modifiedSeconds: Int
            let modifiedNanoseconds: Int
        }

        /// Nil for a file that is not there.
        fileprivate let files: [File?]
    }

    var fingerprint: Fingerprint {
        Fingerprint(
            files: [certificateChain, privateKey, trustRoots].map { path in
                var status = stat()
                guard let path, stat(path, &status) == 0 else { return nil }
                return Fingerprint.File(
                    device: UInt64(status.st_dev),
                    inode: UInt64(status.st_ino),
                    size: Int64(status.st_size),
                    modifiedSeconds: status.st_mtim.tv_sec,
                    modifiedNanoseconds: status.st_mtim.tv_nsec
                )
            }
        )
    }

    func read() throws(TLSError) -> TLSMaterial {
        TLSMaterial(
            certificateChain: try Self.read(certificateChain),
            privateKey: try Self.read(privateKey),
            trustRoots: try Self.read(trustRoots)
        )
    }

    private static func read(_ path: String?) throws(TLSError) -> TLSMaterial.Source? {
        guard let path else { return nil }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw unreadable(path) }
            guard count > 0 else { return TLSMaterial.Source(name: path, bytes: bytes) }
            bytes += chunk.prefix(count)
            guard bytes.count <= maximumFileBytes else {
                throw TLSError(
                    .unreadable,
                    "\(path) has more than \(maximumFileBytes) bytes: it is no PEM file"
                )
            }
        }
    }

    private static func unreadable(_ path: String) -> TLSError {
        TLSError(.unreadable, "cannot read \(path): \(String(cString: strerror(errno)))")
    }
}
