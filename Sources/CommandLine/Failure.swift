package import ArgumentParser
import Glibc

/// Ends a program with status 2: what the operator gave can't work, and the same again would not
/// either.
package func failure(_ message: String) -> ExitCode {
    printError(message)
    return ExitCode(2)
}

/// One line (or several) on standard error.
package func printError(_ message: String) {
    let line = Array((message + "\n").utf8)
    // A line that the pipe takes only in part is not worth a loop: nobody would read the rest
    // either.
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

/// A line on standard output, there at once even when that is a pipe.
package func announce(_ line: String) {
    print(line)
    fflush(nil)
}
