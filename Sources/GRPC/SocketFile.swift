import Glibc

/// The file of a Unix domain socket that a server listens on.
///
/// A server that was killed leaves its file behind, and nobody can listen on the path while it is
/// there. One whose owner is gone is removed; one that somebody answers on is not.
///
/// A server that closes removes its own; NIO does that.
enum SocketFile {
    /// Removes a socket that nobody listens on; the result says whether there was one.
    static func removeStale(_ path: String) -> Bool {
        var info = stat()
        guard lstat(path, &info) == 0, info.st_mode & S_IFMT == S_IFSOCK else { return false }
        guard connectError(path) == ECONNREFUSED else { return false }
        return unlink(path) == 0
    }

    /// What connecting to the socket fails with; 0 when somebody listens.
    private static func connectError(_ path: String) -> CInt {
        let descriptor = socket(
            AF_UNIX,
            CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue),
            0
        )
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count <= TransportAddress.maximumPathBytes else { return ENAMETOOLONG }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, length)
            }
        }
        return result == 0 ? 0 : errno
    }
}
