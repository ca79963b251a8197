import ChannelPolicy
import Testing
import YAML

@Suite struct ServiceConfigErrorTests {
    private static func problems(_ json: String) -> [String] {
        do throws(Diagnostics) {
            _ = try ServiceConfig.parse(json, file: "sc")
            return []
        } catch {
            return error.all.map(\.description)
        }
    }

    private static func method(_ fields: String) -> String {
        #"{"methodConfig":[{"name":[{}],\#(fields)}]}"#
    }

    private static func retry(_ field: String, _ value: String?) -> String {
        var fields = [
            "maxAttempts": "3", "initialBackoff": "\"1s\"", "maxBackoff": "\"2s\"",
            "backoffMultiplier": "2", "retryableStatusCodes": "[14]",
        ]
        fields[field] = value
        let text = fields.sorted { $0.key < $1.key }.map { "\"\($0)\":\($1)" }
        return method(#""retryPolicy":{\#(text.joined(separator: ","))}"#)
    }

    @Test func `a mistake is named with its line and column`() {
        let problems = Self.problems(
            """
            {
              "methodConfig": [
                {
                  "name": [ { "service": "a" } ],
                  "timeout": 5
                }
              ]
            }
            """
        )
        #expect(
            problems == [
                "sc:5:18: field \"timeout\": expected a duration from 0s in quotes, such as"
                    + " \"1.5s\", got \"5\""
            ]
        )
    }

    @Test func `every mistake is found in one run`() {
        let problems = Self.problems(
            """
            {"healthCheckConfig": {"serviceName": 5},
             "retryThrottling": {"maxTokens": 0},
             "methodConfig": [{"waitForReady": "yes"}, 7]}
            """
        )
        #expect(
            problems == [
                "sc:1:39: field \"serviceName\": expected a string, got \"5\"",
                "sc:2:21: missing field \"tokenRatio\", expected a number from 0.001 to 1000.0",
                "sc:2:35: field \"maxTokens\": expected an integer from 1 to 1000, got \"0\"",
                "sc:3:36: field \"waitForReady\": expected true or false, got the text \"yes\"",
                "sc:3:44: field \"methodConfig\": expected a mapping, got \"7\"",
            ]
        )
    }

    @Test(arguments: [
        ("maxAttempts", nil), ("maxAttempts", "1"), ("maxAttempts", "2.5"),
        ("initialBackoff", nil), ("initialBackoff", "\"0s\""), ("initialBackoff", "\"-1s\""),
        ("maxBackoff", nil), ("maxBackoff", "\"0.0000000001s\""), ("maxBackoff", "\"1\""),
        ("backoffMultiplier", nil), ("backoffMultiplier", "0"), ("backoffMultiplier", "-1"),
        ("retryableStatusCodes", nil), ("retryableStatusCodes", "[]"),
        ("retryableStatusCodes", "[17]"), ("retryableStatusCodes", "[\"TEAPOT\"]"),
        ("retryableStatusCodes", "14"), ("retryableStatusCodes", "[null]"),
    ])
    func `a retry policy that breaks a rule of A6 is refused`(field: String, value: String?) {
        let problems = Self.problems(Self.retry(field, value))
        #expect(problems.count == 1)
        #expect(problems.first?.contains("\"\(field)\"") == true)
        // The rest of the policy is well.
        #expect(Self.problems(Self.retry("unknown", "1")) == [])
    }

    @Test(arguments: [
        #""hedgingPolicy":{}"#, #""hedgingPolicy":{"maxAttempts":1}"#,
        #""hedgingPolicy":{"maxAttempts":2,"hedgingDelay":"1"}"#,
        #""hedgingPolicy":{"maxAttempts":2,"nonFatalStatusCodes":["X"]}"#,
        #""hedgingPolicy":[]"#, #""timeout":"-1s""#, #""timeout":"1.s""#, #""timeout":".5s""#,
        #""timeout":"1e3s""#, #""timeout":"315576000001s""#, #""timeout":"1.0000000001s""#,
        #""maxRequestMessageBytes":-1"#, #""maxResponseMessageBytes":4294967296"#,
        #""maxRequestMessageBytes":007"#, #""maxRequestMessageBytes":true"#,
        #""waitForReady":1"#,
    ])
    func `a method config that breaks a rule is refused`(fields: String) {
        let problems = Self.problems(Self.method(fields))
        #expect(problems.count == 1)
    }

    @Test(arguments: [
        ("0", "1"), ("1001", "1"), ("1.5", "1"), ("5", "0"), ("5", "0.0009"), ("5", "-1"),
        ("5", "\"1\""), ("5", "1.x"), ("5", "."), ("5", "1e9"),
    ])
    func `a retry throttling that breaks a rule of A6 is refused`(tokens: String, ratio: String) {
        let problems = Self.problems(
            #"{"retryThrottling":{"maxTokens":\#(tokens),"tokenRatio":\#(ratio)}}"#
        )
        #expect(problems.count == 1)
    }

    @Test func `retry and hedging exclude each other`() {
        let problems = Self.problems(
            Self.method(
                """
                "hedgingPolicy":{"maxAttempts":2},"retryPolicy":{"maxAttempts":2,
                "initialBackoff":"1s","maxBackoff":"1s","backoffMultiplier":1,
                "retryableStatusCodes":[1]}
                """
            )
        )
        #expect(
            problems == [
                "sc:1:47: both \"retryPolicy\" and \"hedgingPolicy\", expected one of them"
            ]
        )
    }

    @Test func `a name comes once in the whole config`() {
        let problems = Self.problems(
            #"{"methodConfig":[{"name":[{"service":"a"}]},{"name":[{"service":"a"}]}]}"#
        )
        #expect(
            problems == ["sc:1:54: /a/ is named twice, expected one method config for it"]
        )
    }

    @Test func `a method needs its service`() {
        let problems = Self.problems(#"{"methodConfig":[{"name":[{"method":"m"}]}]}"#)
        #expect(
            problems == [
                "sc:1:37: method \"m\" without a service, expected both or a service only"
            ]
        )
    }

    @Test(arguments: [
        (#"{"loadBalancingConfig":[]}"#, "sc:1:24: no known policy"),
        (#"{"loadBalancingConfig":[{"odd":{}}]}"#, "sc:1:24: no known policy"),
        (#"{"loadBalancingConfig":{}}"#, "sc:1:24: field \"loadBalancingConfig\""),
        (
            #"{"loadBalancingConfig":[{"round_robin":{},"pick_first":{}}]}"#,
            "sc:1:25: expected an object with the name of one policy"
        ),
        (#"{"loadBalancingConfig":["round_robin"]}"#, "sc:1:25: expected an object"),
        (#"{"loadBalancingConfig":[{"round_robin":5}]}"#, "sc:1:40: expected a mapping"),
        (#"{"loadBalancingPolicy":"odd"}"#, "sc:1:24: unknown load balancing policy \"odd\""),
        (
            #"{"loadBalancingConfig":[{"pick_first":{"shuffleAddressList":"x"}}]}"#,
            "sc:1:61: field \"shuffleAddressList\""
        ),
        (
            #"{"loadBalancingConfig":[{"least_request_experimental":{"choiceCount":1}}]}"#,
            "sc:1:70: field \"choiceCount\""
        ),
        (
            #"{"loadBalancingConfig":[{"weighted_round_robin":{"errorUtilizationPenalty":-1}}]}"#,
            "sc:1:76: field \"errorUtilizationPenalty\""
        ),
    ])
    func `a policy that can't be used is refused`(json: String, start: String) {
        let problems = Self.problems(json)
        #expect(problems.count == 1)
        #expect(problems.first?.hasPrefix(start) == true, "\(problems)")
    }

    @Test(arguments: [
        #""maxInFlight":0"#, #""consecutiveFailures":0"#, #""openFor":"0s""#,
        #""halfOpenProbes":0"#, #""failureStatusCodes":[]"#,
        #""openFor":"5s","maxOpenFor":"4s""#,
    ])
    func `a circuit breaker that breaks a rule is refused`(fields: String) {
        let problems = Self.problems(
            #"{"meridianCircuitBreaker":{"perChannel":{\#(fields)}}}"#
        )
        #expect(problems.count == 1)
    }

    @Test(arguments: ["", "[]", "5", "{", "{\"a\":1,\"a\":2}", "{} {}", "{\"a\":}x"])
    func `what is no JSON object is refused`(json: String) {
        let problems = Self.problems(json)
        #expect(problems.count == 1)
    }

    @Test func `a config over its size is refused and one below is read`() {
        let fields = (0..<4_999).map { "\"f\($0)\":1" }.joined(separator: ",")
        #expect(Self.problems("{\(fields)}") == [])
        #expect(Self.problems("{\(fields),\"x\":1}").count == 1)
        let padding = String(repeating: " ", count: 256 * 1024 - 2)
        #expect(Self.problems("{\(padding)}") == [])
        #expect(Self.problems("{\(padding) }").count == 1)
    }
}
