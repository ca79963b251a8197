package import YAML

/// The JSON form is read by the YAML parser, of whose language JSON is a part (numbers and keys are
/// as in JSON; so are `\/` and `\u` escapes, except surrogate pairs). As in protobuf's JSON of gRPC:
///
/// - fields that nobody knows are ignored, so that a newer config works with an older client;
/// - `null` is the same as leaving a field out;
/// - an integer may be written as text (`"5"`);
/// - a value of another type, a field twice and a number out of range are errors.
extension ServiceConfig {
    /// The attempts of a retry or hedging policy that a client allows (gRFC A6); more count as this.
    package static let standardMaximumAttempts = 5
    /// What one service config may cost; it may come from DNS.
    package static let limits = YAMLLimits(maximumBytes: 256 * 1024, maximumNodes: 10_000)
    /// Elements of a list, such as the method configs or the names of one.
    package static let maximumElements = 1_000

    /// Reads the JSON text of a service config.
    ///
    /// Throws everything that is wrong with it (`file:line:column: what, and what was expected`);
    /// such a config is not used at all (gRFC A21).
    package static func parse(
        _ json: String,
        file: String = "service config",
        maximumAttempts: Int = standardMaximumAttempts
    ) throws(Diagnostics) -> ServiceConfig {
        let node = try YAMLNode.parse(json, file: file, limits: limits)
        return try decode(node, maximumAttempts: maximumAttempts)
    }

    /// Reads a service config that has been parsed, such as a part of another file.
    package static func decode(
        _ node: YAMLNode,
        maximumAttempts: Int = standardMaximumAttempts
    ) throws(Diagnostics) -> ServiceConfig {
        try node.decode { fields in
            fields.ignoreUnknownFields()
            return ServiceConfig(
                methods: methods(fields, maximumAttempts: maximumAttempts),
                loadBalancing: LoadBalancingPolicy.decode(fields),
                retryThrottling: fields.optionalMapping("retryThrottling", RetryThrottling.decode),
                healthCheckServiceName: fields.optionalMapping("healthCheckConfig") {
                    $0.ignoreUnknownFields()
                    return $0.optional("serviceName", .jsonText)
                }.flatMap(\.self),
                circuitBreaker: fields.optionalMapping("meridianCircuitBreaker") {
                    $0.ignoreUnknownFields()
                    return CircuitBreakers(
                        perChannel: $0.optionalMapping(
                            "perChannel",
                            CircuitBreaker.Configuration.decode
                        ),
                        perSubchannel: $0.optionalMapping(
                            "perSubchannel",
                            CircuitBreaker.Configuration.decode
                        )
                    )
                } ?? CircuitBreakers(),
                retryBudget: fields.optionalMapping(
                    "meridianRetryBudget",
                    RetryBudget.Configuration.decode
                )
            )
        }
    }

    // MARK: - Methods

    private static func methods(
        _ fields: MappingReader,
        maximumAttempts: Int
    ) -> [MethodConfig] {
        var seen: Set<MethodConfig.Name> = []
        return fields.mappings("methodConfig", count: 0...maximumElements) { method in
            method.ignoreUnknownFields()
            return MethodConfig(
                names: names(method, seen: &seen),
                waitForReady: method.optional("waitForReady", .boolean),
                timeout: method.optional("timeout", .jsonDuration()),
                maximumRequestBytes: method.optional("maxRequestMessageBytes", .byteCount),
                maximumResponseBytes: method.optional("maxResponseMessageBytes", .byteCount),
                attempts: attempts(method, maximumAttempts: maximumAttempts)
            )
        }
    }

    private static func names(
        _ method: MappingReader,
        seen: inout Set<MethodConfig.Name>
    ) -> [MethodConfig.Name] {
        method.mappings("name", count: 0...maximumElements) { fields in
            fields.ignoreUnknownFields()
            let name = MethodConfig.Name(
                service: fields.value("service", .jsonText, default: ""),
                method: fields.value("method", .jsonText, default: "")
            )
            if name.service.isEmpty, !name.method.isEmpty {
                fields.report(
                    "method \"\(name.method)\" without a service, expected both or a service only",
                    at: "method"
                )
            } else if !seen.insert(name).inserted {
                fields.report("\(name) is named twice, expected one method config for it")
            }
            return name
        }
    }

    private static func attempts(
        _ method: MappingReader,
        maximumAttempts: Int
    ) -> MethodConfig.Attempts {
        let retry = method.optionalMapping("retryPolicy") {
            RetryPolicy.decode($0, maximumAttempts: maximumAttempts)
        }
        let hedging = method.optionalMapping("hedgingPolicy") {
            HedgingPolicy.decode($0, maximumAttempts: maximumAttempts)
        }
        switch (retry, hedging) {
        case (nil, nil): return .once
        case (let retry?, nil): return .retry(retry)
        case (nil, let hedging?): return .hedge(hedging)
        case (_?, let hedging?):
            method.report(
                "both \"retryPolicy\" and \"hedgingPolicy\", expected one of them",
                at: "hedgingPolicy"
            )
            return .hedge(hedging)
        }
    }
}

// MARK: - Attempts

extension RetryPolicy {
    fileprivate static func decode(_ fields: MappingReader, maximumAttempts: Int) -> RetryPolicy {
        fields.ignoreUnknownFields()
        let codes = fields.list("retryableStatusCodes", .statusCode, count: 1...100)
        return RetryPolicy(
            maximumAttempts: min(fields.required("maxAttempts", .attempts), maximumAttempts),
            backoff: ExponentialBackoff.Configuration(
                initial: fields.required("initialBackoff", .positiveJSONDuration),
                multiplier: fields.required("backoffMultiplier", .positiveNumber),
                maximum: fields.required("maxBackoff", .positiveJSONDuration)
            ),
            retryableStatusCodes: StatusCodeSet(codes)
        )
    }
}

extension HedgingPolicy {
    fileprivate static func decode(_ fields: MappingReader, maximumAttempts: Int) -> HedgingPolicy {
        fields.ignoreUnknownFields()
        return HedgingPolicy(
            maximumAttempts: min(
                fields.required("maxAttempts", .attempts),
                maximumAttempts,
                HedgingMachine.maximumAttempts
            ),
            delay: fields.value("hedgingDelay", .jsonDuration(), default: .zero),
            nonFatalStatusCodes: StatusCodeSet(
                fields.list("nonFatalStatusCodes", .statusCode, count: 0...100)
            )
        )
    }
}

extension RetryThrottling {
    fileprivate static func decode(_ fields: MappingReader) -> RetryThrottling {
        fields.ignoreUnknownFields()
        return RetryThrottling(
            maximumTokens: fields.required("maxTokens", .jsonInteger(in: 1...1_000)),
            tokenRatioThousandths: fields.required("tokenRatio", .thousandths)
        )
    }
}

extension RetryBudget.Configuration {
    fileprivate static func decode(_ fields: MappingReader) -> Self {
        fields.ignoreUnknownFields()
        let standard = Self()
        return Self(
            ratioThousandths: fields.value(
                "ratio",
                .thousandths,
                default: standard.ratioThousandths
            ),
            minimumPerSecond: fields.value(
                "minRetriesPerSecond",
                .jsonInteger(in: 0...1_000_000),
                default: standard.minimumPerSecond
            )
        )
    }
}

extension CircuitBreaker.Configuration {
    fileprivate static func decode(_ fields: MappingReader) -> Self {
        fields.ignoreUnknownFields()
        var result = Self(consecutiveFailures: nil)
        let counts = ScalarType.jsonInteger(in: 1...1_000_000_000)
        result.maximumInFlight = fields.value("maxInFlight", counts, default: .max)
        result.consecutiveFailures = fields.optional("consecutiveFailures", counts)
        result.halfOpenProbes = fields.value("halfOpenProbes", counts, default: 1)
        result.openFor.initial = fields.value(
            "openFor",
            .positiveJSONDuration,
            default: result.openFor.initial
        )
        // A breaker that opens for long at first does not open for less later.
        result.openFor.maximum = fields.value(
            "maxOpenFor",
            .positiveJSONDuration,
            default: max(result.openFor.maximum, result.openFor.initial)
        )
        if result.openFor.maximum < result.openFor.initial {
            fields.report(
                "\"maxOpenFor\" is less than \"openFor\", expected as much at least",
                at: "maxOpenFor"
            )
        }
        if fields.node("failureStatusCodes") != nil {
            let codes = fields.list("failureStatusCodes", .statusCode, count: 1...100)
            result.failureStatusCodes = StatusCodeSet(codes)
        }
        return result
    }
}
