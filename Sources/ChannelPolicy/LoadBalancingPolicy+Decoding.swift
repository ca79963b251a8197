import YAML

extension LoadBalancingPolicy {
    /// The policies that `loadBalancingConfig` may name.
    private static let known = [
        "pick_first", "round_robin", "least_request_experimental", "weighted_round_robin",
    ]
    /// What A48 allows; more choices count as this.
    private static let maximumChoices = 10

    /// `loadBalancingConfig`, else the older `loadBalancingPolicy`, else the standard.
    static func decode(_ fields: MappingReader) -> LoadBalancingPolicy {
        let configs = fields.node("loadBalancingConfig")
        let name = fields.optional("loadBalancingPolicy", .jsonText)
        if let configs { return decode(configs: configs, fields) }
        // The names of the proto's enum, in any case.
        switch name?.lowercased() {
        case nil, "load_balancing_policy_unspecified", "pick_first": return .standard
        case "round_robin": return .roundRobin
        case .some(let name):
            fields.report(
                "unknown load balancing policy \"\(name.prefix(60))\", "
                    + "expected pick_first or round_robin",
                at: "loadBalancingPolicy"
            )
            return .standard
        }
    }

    /// The first policy of the list that we know; those after it are not looked at (gRFC A24).
    private static func decode(
        configs node: YAMLNode,
        _ fields: MappingReader
    ) -> LoadBalancingPolicy {
        guard case .sequence(let elements) = node.content else {
            fields.report(
                "field \"loadBalancingConfig\": expected a sequence, got \(node.summary)",
                at: node
            )
            return .standard
        }
        for element in elements {
            guard case .mapping(let entries) = element.content, let entry = entries.first,
                entries.count == 1
            else {
                fields.report("expected an object with the name of one policy", at: element)
                return .standard
            }
            guard known.contains(entry.key) else { continue }
            do throws(Diagnostics) {
                return try entry.value.decode { decode(entry.key, $0) }
            } catch {
                for diagnostic in error.all { fields.report(diagnostic) }
                return .standard
            }
        }
        fields.report(
            "no known policy, expected one of: \(known.joined(separator: ", "))",
            at: node
        )
        return .standard
    }

    private static func decode(_ name: String, _ fields: MappingReader) -> LoadBalancingPolicy {
        fields.ignoreUnknownFields()
        switch name {
        case "round_robin": return .roundRobin
        case "least_request_experimental":
            let choices = fields.value("choiceCount", .jsonInteger(in: 2...Int.max), default: 2)
            return .leastRequest(choiceCount: min(choices, maximumChoices))
        case "weighted_round_robin": return .weightedRoundRobin(.decode(fields))
        default:
            let shuffles = fields.value("shuffleAddressList", .boolean, default: false)
            return .pickFirst(shuffleAddressList: shuffles)
        }
    }
}

extension WeightedRoundRobinConfiguration {
    fileprivate static func decode(_ fields: MappingReader) -> Self {
        var result = Self()
        result.usesOutOfBandReports = fields.value(
            "enableOobLoadReport",
            .boolean,
            default: result.usesOutOfBandReports
        )
        result.outOfBandReportingPeriod = fields.value(
            "oobReportingPeriod",
            .jsonDuration(),
            default: result.outOfBandReportingPeriod
        )
        result.blackoutPeriod = fields.value(
            "blackoutPeriod",
            .jsonDuration(),
            default: result.blackoutPeriod
        )
        result.weightExpirationPeriod = fields.value(
            "weightExpirationPeriod",
            .jsonDuration(),
            default: result.weightExpirationPeriod
        )
        let period = fields.value(
            "weightUpdatePeriod",
            .jsonDuration(),
            default: result.weightUpdatePeriod
        )
        result.weightUpdatePeriod = max(period, minimumWeightUpdatePeriod)
        result.errorUtilizationPenalty = fields.value(
            "errorUtilizationPenalty",
            .numberFromZero,
            default: result.errorUtilizationPenalty
        )
        return result
    }
}
