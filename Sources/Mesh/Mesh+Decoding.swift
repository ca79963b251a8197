import Primitives
package import YAML

extension Mesh {
    package static let maximumRegions = 64
    package static let maximumZonesPerRegion = 64
    package static let maximumServices = 1_000
    package static let maximumRoutesPerService = 64
    /// What a worker may be granted; the registration's own limits are the same.
    package static let leaseRange: ClosedRange<Duration> = .seconds(1) ... .seconds(60)

    /// Reads a mesh description; throws everything that is wrong with it, in the order of the file.
    package static func parse(_ text: String, file: String) throws(Diagnostics) -> Mesh {
        try decode(YAMLNode.parse(text, file: file))
    }

    /// Reads a mesh description that has been parsed.
    package static func decode(_ node: YAMLNode) throws(Diagnostics) -> Mesh {
        try node.decode { fields in
            _ = fields.required("apiVersion", .exactly("meridian/v1"))
            _ = fields.required("kind", .exactly("Mesh"))
            let name = fields.required("name", .label)
            let regions = decodeRegions(fields)
            let names = regions.map(\.name)
            return Mesh(
                name: name,
                regions: regions,
                roundTripTimes: decodeRoundTripTimes(fields, regions: names),
                services: decodeServices(fields, regions: names),
                sidecarListenAddress: fields.mappingOrDefaults("sidecars") {
                    $0.value("listen", .listenAddress, default: defaultSidecarListenAddress)
                }
            )
        }
    }

    // MARK: Regions

    private static func decodeRegions(_ fields: MappingReader) -> [Region] {
        var seen: Set<String> = []
        return fields.mappings("regions", count: 1...maximumRegions) { region in
            let name = region.required("name", .label)
            if !name.isEmpty, !seen.insert(name).inserted {
                region.report(
                    "region \"\(name)\" is described twice, expected unique names",
                    at: "name"
                )
            }
            var seenZones: Set<String> = []
            let zones = region.list("zones", .located(.label), count: 0...maximumZonesPerRegion)
            for zone in zones
            where !zone.value.isEmpty && !seenZones.insert(zone.value).inserted {
                region.report(
                    "zone \"\(zone.value)\" is named twice in region \"\(name)\", "
                        + "expected unique names",
                    at: zone.node
                )
            }
            return Region(name: RegionName(name), zones: zones.map { ZoneName($0.value) })
        }
    }

    private static func decodeRoundTripTimes(
        _ fields: MappingReader,
        regions: [RegionName]
    ) -> RoundTripTimes {
        let fallback = fields.optional("defaultRoundTripTime", .roundTripTime)
        var times: [RoundTripTimes.Pair: Duration] = [:]
        _ = fields.mappings(
            "roundTripTimes",
            count: 0...(maximumRegions * (maximumRegions - 1) / 2)
        ) { entry in
            let time = entry.required("time", .roundTripTime)
            let ends = entry.list("between", .located(.label), count: 2...2)
            for end in ends { checkRegion(end, isOneOf: regions, entry) }
            guard ends.count == 2 else { return }
            let (one, other) = (ends[0].value, ends[1].value)
            if one == other {
                // Two placeholders are equal too; what is wrong with them has been said.
                guard !one.isEmpty else { return }
                entry.report(
                    "a round-trip time from \"\(one)\" to itself, expected two different regions",
                    at: "between"
                )
            } else if times.updateValue(time, forKey: .init(.init(one), .init(other))) != nil {
                entry.report(
                    "the round-trip time between \"\(one)\" and \"\(other)\" is given twice, "
                        + "expected once, as it is the same in both directions",
                    at: "between"
                )
            }
        }
        if fallback == nil {
            let sorted = Set(regions.filter { !$0.rawValue.isEmpty }).sorted()
            for (index, first) in sorted.enumerated() {
                for second in sorted[(index + 1)...] where times[.init(first, second)] == nil {
                    fields.report(
                        "no round-trip time between \"\(first)\" and \"\(second)\", "
                            + "expected \"between: [\(first), \(second)]\" "
                            + "or a \"defaultRoundTripTime\"",
                        at: "roundTripTimes"
                    )
                }
            }
        }
        return RoundTripTimes(times, fallback: fallback ?? .zero)
    }

    // MARK: Services

    private static func decodeServices(
        _ fields: MappingReader,
        regions: [RegionName]
    ) -> [Service] {
        var seen: Set<String> = []
        var serviceByRoute: [RouteKey: String] = [:]
        return fields.mappings("services", count: 1...maximumServices) { service in
            let name = service.required("name", .label)
            if !name.isEmpty, !seen.insert(name).inserted {
                service.report(
                    "service \"\(name)\" is described twice, expected unique names",
                    at: "name"
                )
            }
            let routes = decodeRoutes(service)
            for route in routes where !route.value.prefix.isEmpty {
                let key = RouteKey(route.value)
                if let owner = serviceByRoute.updateValue(name, forKey: key) {
                    service.report(
                        "route \"\(key)\" is taken by service \"\(owner)\" already, "
                            + "expected each route once",
                        at: route.node
                    )
                }
            }
            let timeout = service.value("timeout", .callTimeout, default: Service.defaultTimeout)
            return Service(
                name: ServiceName(name),
                routes: routes.map(\.value),
                timeout: timeout,
                retries: service.mappingOrDefaults("retries") {
                    decodeRetries($0, timeout: timeout)
                },
                lease: service.value(
                    "lease",
                    .duration(in: leaseRange),
                    default: Service.defaultLease
                ),
                massExpiry: service.mappingOrDefaults("massExpiry", Service.MassExpiry.decode),
                healthProbe: service.optionalMapping("healthProbe", Service.HealthProbe.decode),
                shares: decodeShares(service, regions: regions)
            )
        }
    }

    private static func decodeRetries(
        _ fields: MappingReader,
        timeout: Duration
    ) -> Service.Retries {
        let standard = Service.Retries()
        let perTryTimeout = fields.optional("perTryTimeout", .callTimeout)
        if let perTryTimeout, perTryTimeout > timeout {
            fields.report(
                "perTryTimeout \(durationText(perTryTimeout)) is longer than the service's "
                    + "timeout, expected at most \(durationText(timeout))",
                at: "perTryTimeout"
            )
        }
        return Service.Retries(
            attempts: fields.value(
                "attempts",
                .integer(in: 0...10),
                default: standard.attempts
            ),
            perTryTimeout: perTryTimeout ?? min(standard.perTryTimeout, timeout),
            budgetPercent: fields.value(
                "budgetPercent",
                .integer(in: 1...100),
                default: standard.budgetPercent
            ),
            minimumConcurrency: fields.value(
                "minimumConcurrency",
                .integer(in: 1...10_000),
                default: standard.minimumConcurrency
            )
        )
    }

    private static func decodeShares(
        _ fields: MappingReader,
        regions: [RegionName]
    ) -> [RegionName: RegionShares] {
        var shares: [RegionName: RegionShares] = [:]
        var seen: Set<String> = []
        _ = fields.mappings("shares", count: 0...maximumRegions) { entry in
            let from = entry.required("from", .located(.label))
            checkRegion(from, isOneOf: regions, entry)
            if !from.value.isEmpty, !seen.insert(from.value).inserted {
                entry.report(
                    "the shares of consumers in \"\(from.value)\" are given twice, expected once",
                    at: "from"
                )
            }
            let to = entry.entries("to", .integer(in: 0...100), count: 1...maximumRegions)
            for (region, _) in to { checkRegion(region, isOneOf: regions, entry) }
            let percentByRegion = Dictionary(
                to.map { (RegionName($0.key.value), $0.value) },
                uniquingKeysWith: { first, _ in first }
            )
            guard let regionShares = RegionShares(percentByRegion) else {
                let sum = to.map(\.value).reduce(0, +)
                // Without elements, the missing or malformed field has been reported.
                if !to.isEmpty {
                    entry.report("the shares add up to \(sum), expected 100", at: "to")
                }
                return
            }
            shares[RegionName(from.value)] = regionShares
        }
        return shares
    }

    private static func checkRegion(
        _ name: Located<String>,
        isOneOf regions: [RegionName],
        _ reader: MappingReader
    ) {
        // An empty name stands for one that could not be read; without regions, nothing can be
        // known.
        guard !name.value.isEmpty, !regions.isEmpty, !regions.contains(RegionName(name.value))
        else { return }
        let expected = Set(regions.map(\.rawValue)).subtracting([""]).sorted()
        reader.report(
            "unknown region \"\(name.value)\", expected one of \(expected.joined(separator: ", "))",
            at: name.node
        )
    }
}
