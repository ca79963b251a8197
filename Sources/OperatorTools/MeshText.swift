package import MeridianAPI

extension Meridian_V1_GetMeshResponse {
    /// The description as YAML, below comments that say its revision and the shares set since.
    ///
    /// Each share stands there as the command that sets it.
    package var commentedYAML: String {
        var lines = ["# \(printable(fileName)), revision \(revision)"]
        for entry in shares.sorted(by: { ($0.service, $0.fromRegion) < ($1.service, $1.fromRegion) }
        ) {
            let shares = entry.shares.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            let wish = shares.isEmpty ? "--nearest" : shares.joined(separator: " ")
            lines.append(
                printable("# shares \(entry.service) --from \(entry.fromRegion) \(wish)")
            )
        }
        let text = lines.joined(separator: "\n") + "\n" + yaml
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }
}
