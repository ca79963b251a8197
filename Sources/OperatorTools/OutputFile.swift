import Glibc

/// Where a command writes its result: a file that is replaced, or standard output.
package final class OutputFile {
    private let path: String
    private let stream: UnsafeMutablePointer<FILE>

    /// Opens the file and makes it empty; `-` stands for standard output.
    package init(path: String) throws(OperatorError) {
        self.path = path
        guard let stream = path == "-" ? fdopen(dup(STDOUT_FILENO), "w") : fopen(path, "we") else {
            throw OperatorError(
                .unusableFile,
                "\(path): can't be written: \(String(cString: strerror(errno)))"
            )
        }
        self.stream = stream
    }

    deinit {
        fclose(stream)
    }

    /// Writes the bytes as they are, and hands them to the system.
    package func write(_ bytes: some Collection<UInt8>) throws(OperatorError) {
        let bytes = Array(bytes)
        let written = fwrite(bytes, 1, bytes.count, stream)
        guard written == bytes.count, fflush(stream) == 0 else {
            // A reader of a pipe that has gone, such as `head`, has seen all that it wanted.
            if errno == EPIPE { return }
            throw OperatorError(
                .unusableFile,
                "\(path): can't be written: \(String(cString: strerror(errno)))"
            )
        }
    }
}
