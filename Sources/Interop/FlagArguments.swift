/// Command lines as the official interoperability programs take them.
package enum FlagArguments {
    /// Gives each Boolean flag that stands alone the value that it means, `--use_tls` for one.
    ///
    /// Flags with a value of their own, `--use_tls=false` or `--use_tls false`, stay as they are.
    package static func withValues(_ arguments: [String], booleans: Set<String>) -> [String] {
        arguments.indices.map { index in
            let argument = arguments[index]
            guard argument.hasPrefix("--"), booleans.contains(String(argument.dropFirst(2))) else {
                return argument
            }
            let next = index + 1
            let hasValue = next < arguments.count && ["true", "false"].contains(arguments[next])
            return hasValue ? argument : argument + "=true"
        }
    }
}
