import YAML

extension Mesh {
    package static let maximumHeadersPerRoute = 16

    /// `routes`: each a path prefix, or a mapping with a prefix and what headers have to be.
    static func decodeRoutes(_ service: MappingReader) -> [Located<Service.Route>] {
        service.scalarsOrMappings(
            "routes",
            .routePrefix,
            count: 1...maximumRoutesPerService,
            scalar: { Service.Route(prefix: $0) },
            mapping: { route in
                Service.Route(
                    prefix: route.required("prefix", .routePrefix),
                    headers: decodeHeaders(route)
                )
            }
        )
    }

    private static func decodeHeaders(_ route: MappingReader) -> [Service.HeaderMatch] {
        route.mappings("headers", count: 0...maximumHeadersPerRoute) { header in
            let name = header.required("name", .headerName)
            let patterns: [Service.HeaderMatch.Pattern?] = [
                header.optional("exact", .headerText).map { .exact($0) },
                header.optional("prefix", .headerText).map { .prefix($0) },
                header.optional("regex", .headerText).map { .regex($0) },
            ]
            let given = ["exact", "prefix", "regex"].filter { header.node($0) != nil }
            if given.count != 1 {
                let what = given.isEmpty ? "nothing" : given.joined(separator: " and ")
                header.report(
                    "header \"\(name)\" has \(what) to match, "
                        + "expected one of exact, prefix, regex"
                )
            }
            let pattern = patterns.compactMap { $0 }.first
            return Service.HeaderMatch(name: name, pattern: pattern ?? .exact(""))
        }
    }
}

/// What two routes may not have in common: the order of the headers changes nothing.
struct RouteKey: Hashable, CustomStringConvertible {
    let prefix: String
    let headers: Set<Service.HeaderMatch>

    init(_ route: Service.Route) {
        prefix = route.prefix
        headers = Set(route.headers)
    }

    var description: String {
        if headers.isEmpty { return prefix }
        return "\(prefix) with \(headers.map(\.name).sorted().joined(separator: ", "))"
    }
}
