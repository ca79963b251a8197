import ChannelPolicy
import Testing

@Suite struct ServiceConfigTests {
    private static let full = """
        {
          "loadBalancingConfig": [
            { "xds_of_the_future": { "x": [1, {}] } },
            { "weighted_round_robin": {
                "enableOobLoadReport": true, "oobReportingPeriod": "2s", "blackoutPeriod": "0s",
                "weightExpirationPeriod": "60.5s", "weightUpdatePeriod": "0.01s",
                "errorUtilizationPenalty": 0.5 } },
            { "round_robin": {} }
          ],
          "methodConfig": [
            { "name": [ { "service": "a.Reports", "method": "Get" } ],
              "waitForReady": true, "timeout": "1.5s",
              "maxRequestMessageBytes": 1024, "maxResponseMessageBytes": "2048",
              "retryPolicy": { "maxAttempts": 9, "initialBackoff": "0.1s", "maxBackoff": "1s",
                "backoffMultiplier": 2, "retryableStatusCodes": [ "UNAVAILABLE", "aborted", 8 ] } },
            { "name": [ { "service": "a.Reports" }, { "service": "a.Others", "method": "" } ],
              "hedgingPolicy": { "maxAttempts": 3, "hedgingDelay": "0.5s",
                "nonFatalStatusCodes": [ 14 ] } },
            { "name": [ {} ], "waitForReady": false, "timeout": null }
          ],
          "retryThrottling": { "maxTokens": 10, "tokenRatio": 0.5466 },
          "healthCheckConfig": { "serviceName": "a.Reports" },
          "meridianCircuitBreaker": {
            "perChannel": { "maxInFlight": 1000 },
            "perSubchannel": { "maxInFlight": 100, "consecutiveFailures": 7, "openFor": "2s",
              "maxOpenFor": "8s", "halfOpenProbes": 3, "failureStatusCodes": [ "UNKNOWN" ] } },
          "meridianRetryBudget": { "ratio": 0.25, "minRetriesPerSecond": 3 }
        }
        """

    @Test func `a full config is read`() throws {
        let config = try ServiceConfig.parse(Self.full)
        var weighted = WeightedRoundRobinConfiguration()
        weighted.usesOutOfBandReports = true
        weighted.outOfBandReportingPeriod = .seconds(2)
        weighted.blackoutPeriod = .zero
        weighted.weightExpirationPeriod = .milliseconds(60_500)
        weighted.weightUpdatePeriod = .milliseconds(100)
        weighted.errorUtilizationPenalty = 0.5
        #expect(config.loadBalancing == .weightedRoundRobin(weighted))
        #expect(config.retryThrottling?.maximumTokens == 10)
        #expect(config.retryThrottling?.tokenRatioThousandths == 546)
        #expect(config.healthCheckServiceName == "a.Reports")
        #expect(config.retryBudget == .init(ratioThousandths: 250, minimumPerSecond: 3))
        #expect(config.circuitBreaker.perChannel?.maximumInFlight == 1_000)
        #expect(config.circuitBreaker.perChannel?.consecutiveFailures == nil)
        let breaker = CircuitBreaker.Configuration(
            maximumInFlight: 100,
            consecutiveFailures: 7,
            openFor: .init(initial: .seconds(2), multiplier: 2, maximum: .seconds(8)),
            halfOpenProbes: 3,
            failureStatusCodes: [.unknown]
        )
        #expect(config.circuitBreaker.perSubchannel == breaker)
    }

    @Test func `the settings of methods are read`() throws {
        let config = try ServiceConfig.parse(Self.full)
        let retry = RetryPolicy(
            maximumAttempts: 5,
            backoff: .init(initial: .milliseconds(100), multiplier: 2, maximum: .seconds(1)),
            retryableStatusCodes: [.unavailable, .aborted, .resourceExhausted]
        )
        let expected = MethodConfig(
            names: [.init(service: "a.Reports", method: "Get")],
            waitForReady: true,
            timeout: .milliseconds(1_500),
            maximumRequestBytes: 1_024,
            maximumResponseBytes: 2_048,
            attempts: .retry(retry)
        )
        let method = config.method(forPath: "/a.Reports/Get")
        #expect(method == expected)
    }

    @Test(arguments: [
        ("/a.Reports/List", 1), ("/a.Others/Get", 1), ("/b.Reports/Get", 2), ("", 2), ("/", 2),
    ])
    func `a method without settings has those of its service or the default`(
        path: String,
        index: Int
    ) throws {
        let config = try ServiceConfig.parse(Self.full)
        let method = config.method(forPath: path)
        #expect(method == config.methods[index])
    }

    @Test func `a method has no settings when there is no default`() throws {
        let config = try ServiceConfig.parse(#"{"methodConfig":[{"name":[{"service":"a"}]}]}"#)
        let method = config.method(forPath: "/b/Get")
        #expect(method == nil)
    }

    @Test func `a hedging policy is read and its delay may be left out`() throws {
        let config = try ServiceConfig.parse(
            #"{"methodConfig":[{"name":[{}],"hedgingPolicy":{"maxAttempts":2}}]}"#
        )
        let attempts = config.methods.first?.attempts
        #expect(attempts == .hedge(HedgingPolicy(maximumAttempts: 2)))
    }

    @Test func `the cap of the attempts is the client's`() throws {
        let json =
            #"{"methodConfig":[{"name":[{}],"hedgingPolicy":{"maxAttempts":99}}]}"#
        let attempts = try [3, 5, 1_000].map {
            try ServiceConfig.parse(json, maximumAttempts: $0).methods.first?.attempts
        }
        #expect(attempts == [3, 5, 32].map { .hedge(HedgingPolicy(maximumAttempts: $0)) })
    }

    @Test(arguments: [
        (#"{}"#, LoadBalancingPolicy.pickFirst(shuffleAddressList: false)),
        (#"{"loadBalancingPolicy":"ROUND_ROBIN"}"#, .roundRobin),
        (#"{"loadBalancingPolicy":"pick_first"}"#, .standard),
        (#"{"loadBalancingPolicy":"odd","loadBalancingConfig":[{"round_robin":{}}]}"#, .roundRobin),
        (
            #"{"loadBalancingConfig":[{"pick_first":{"shuffleAddressList":true}}]}"#,
            .pickFirst(shuffleAddressList: true)
        ),
        (
            #"{"loadBalancingConfig":[{"least_request_experimental":{}}]}"#,
            .leastRequest(choiceCount: 2)
        ),
        (
            #"{"loadBalancingConfig":[{"least_request_experimental":{"choiceCount":11}}]}"#,
            .leastRequest(choiceCount: 10)
        ),
        (
            #"{"loadBalancingConfig":[{"weighted_round_robin":{}}]}"#,
            .weightedRoundRobin(WeightedRoundRobinConfiguration())
        ),
        // What follows the first known policy is not looked at.
        (#"{"loadBalancingConfig":[{"new":5},{"round_robin":{}},{"pick_first":7}]}"#, .roundRobin),
    ])
    func `the first known policy balances the load`(
        json: String,
        policy: LoadBalancingPolicy
    ) throws {
        let config = try ServiceConfig.parse(json)
        #expect(config.loadBalancing == policy)
    }

    @Test func `pick first is not health-checked`() {
        let allows = [LoadBalancingPolicy.standard, .roundRobin].map(\.allowsHealthChecks)
        #expect(allows == [false, true])
    }

    @Test func `unknown fields are ignored at every level`() throws {
        let config = try ServiceConfig.parse(
            """
            {"future":1,"methodConfig":[{"name":[{"service":"a","x":[]}],"y":{}, "retryPolicy":
            {"maxAttempts":2,"initialBackoff":"1s","maxBackoff":"2s","backoffMultiplier":1.5,
            "retryableStatusCodes":[14],"perAttemptRecvTimeout":"3s"}}],
            "loadBalancingConfig":[{"round_robin":{"z":1}}],"retryThrottling":{"maxTokens":1,
            "tokenRatio":1,"q":{}},"healthCheckConfig":{"w":1},"meridianCircuitBreaker":{"v":0}}
            """
        )
        #expect(config.loadBalancing == .roundRobin)
        #expect(config.methods.count == 1 && config.healthCheckServiceName == nil)
    }

    @Test func `an empty health check service is the whole server`() throws {
        let config = try ServiceConfig.parse(#"{"healthCheckConfig":{"serviceName":""}}"#)
        #expect(config.healthCheckServiceName == "")
    }

    @Test func `escapes and tabs of JSON are read`() throws {
        let config = try ServiceConfig.parse(
            "{\t\"healthCheckConfig\":\r\n\t{\"serviceName\"\t:\"a\\/b\\u00e9\\\"\"}\n}\n"
        )
        #expect(config.healthCheckServiceName == "a/bé\"")
    }

    @Test(arguments: [
        ("0s", Duration.zero), ("3s", .seconds(3)), ("0.000000001s", .nanoseconds(1)),
        ("1.50s", .milliseconds(1_500)), ("315576000000s", .seconds(315_576_000_000)),
    ])
    func `a duration is read as protobuf writes it`(text: String, duration: Duration) throws {
        let config = try ServiceConfig.parse(
            #"{"methodConfig":[{"name":[{}],"timeout":"\#(text)"}]}"#
        )
        #expect(config.methods.first?.timeout == duration)
    }

    @Test(arguments: [
        ("0.1", 100), ("0.57", 570), ("1", 1_000), ("0.0019", 1), ("12.3456789012345", 12_345),
        ("1e-1", 100), ("5E-3", 5), ("1000", 1_000_000),
    ])
    func `a token ratio is cut to three decimals`(text: String, thousandths: Int) throws {
        let config = try ServiceConfig.parse(
            #"{"retryThrottling":{"maxTokens":1000,"tokenRatio":\#(text)}}"#
        )
        #expect(config.retryThrottling?.tokenRatioThousandths == thousandths)
    }
}
