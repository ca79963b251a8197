import ChannelPolicy
import Primitives
import Testing

@Suite struct ExponentialBackoffTests {
    private static let configuration = ExponentialBackoff.Configuration(
        initial: .milliseconds(100),
        multiplier: 2,
        maximum: .milliseconds(500)
    )

    @Test func `without jitter the delays grow by the multiplier up to the maximum`() {
        var configuration = Self.configuration
        configuration.jitter = 0
        var backoff = ExponentialBackoff(configuration)
        var random = SeededRandom(seed: 1)
        let delays = (0..<5).map { _ in backoff.failed(using: &random) }
        #expect(delays == [100, 200, 400, 500, 500].map { .milliseconds($0) })
    }

    @Test func `every delay lies within a fifth of its mean and all of the range is used`() {
        var random = SeededRandom(seed: 2)
        var ratios: [Double] = []
        for _ in 0..<1_000 {
            var backoff = ExponentialBackoff(Self.configuration)
            for mean in [100.0, 200, 400, 500] {
                ratios.append(backoff.failed(using: &random) / .milliseconds(mean))
            }
        }
        #expect(ratios.allSatisfy { (0.799...1.201).contains($0) })
        #expect(ratios.contains { $0 < 0.81 } && ratios.contains { $0 > 1.19 })
    }

    @Test func `after a reset the first delay comes again`() {
        var configuration = Self.configuration
        configuration.jitter = 0
        var backoff = ExponentialBackoff(configuration)
        var random = SeededRandom(seed: 3)
        _ = backoff.failed(using: &random)
        _ = backoff.failed(using: &random)
        backoff.reset()
        let delay = backoff.failed(using: &random)
        #expect(delay == .milliseconds(100))
    }

    @Test func `an initial delay over the maximum is the maximum`() {
        var backoff = ExponentialBackoff(
            .init(initial: .seconds(9), multiplier: 2, maximum: .seconds(3), jitter: 0)
        )
        var random = SeededRandom(seed: 4)
        let delay = backoff.failed(using: &random)
        #expect(delay == .seconds(3))
    }

    @Test func `the delays of connections are those of the specification`() {
        var configuration = ExponentialBackoff.Configuration.connection
        #expect(configuration.jitter == 0.2)
        configuration.jitter = 0
        var backoff = ExponentialBackoff(configuration)
        var random = SeededRandom(seed: 5)
        let delays = (0..<12).map { _ in backoff.failed(using: &random) / .seconds(1) }
        #expect(abs(delays[1] - 1.6) < 1e-9 && abs(delays[2] - 2.56) < 1e-9)
        #expect(delays[0] == 1 && delays[11] == 120)
    }
}
