import YAML

/// How the control plane tells which workers of a service live.
extension Service {
    /// When workers that fall silent together are not believed to be dead.
    ///
    /// Both must be exceeded; then their endpoints stay until they are heard again or an operator
    /// confirms.
    package struct MassExpiry: Hashable, Sendable {
        /// Of one region's workers, in percent; 100 believes every death.
        package let percent: Int
        package let workers: Int

        package init(percent: Int = 50, workers: Int = 3) {
            self.percent = percent
            self.workers = workers
        }
    }

    /// `grpc.health.v1.Health/Check`, asked by the control plane itself.
    package struct HealthProbe: Hashable, Sendable {
        package let interval: Duration
        /// Time that a worker has to answer.
        package let timeout: Duration
        /// Failures in a row after which a worker is unhealthy.
        package let failures: Int
        /// Answers in a row after which it is healthy again.
        package let successes: Int

        package init(
            interval: Duration = .seconds(5),
            timeout: Duration = .seconds(1),
            failures: Int = 3,
            successes: Int = 1
        ) {
            self.interval = interval
            self.timeout = timeout
            self.failures = failures
            self.successes = successes
        }
    }
}

extension Service.MassExpiry {
    static func decode(_ fields: MappingReader) -> Self {
        let standard = Self()
        return Self(
            percent: fields.value("percent", .integer(in: 1...100), default: standard.percent),
            workers: fields.value("workers", .integer(in: 0...10_000), default: standard.workers)
        )
    }
}

extension Service.HealthProbe {
    static func decode(_ fields: MappingReader) -> Self {
        let standard = Self()
        let interval = fields.value(
            "interval",
            .duration(in: .seconds(1) ... .seconds(600)),
            default: standard.interval
        )
        let timeout = fields.optional("timeout", .duration(in: .milliseconds(10) ... .seconds(60)))
        if let timeout, timeout > interval {
            fields.report(
                "timeout \(durationText(timeout)) is longer than the interval, "
                    + "expected at most \(durationText(interval))",
                at: "timeout"
            )
        }
        return Self(
            interval: interval,
            timeout: timeout ?? min(standard.timeout, interval),
            failures: fields.value("failures", .integer(in: 1...100), default: standard.failures),
            successes: fields.value("successes", .integer(in: 1...100), default: standard.successes)
        )
    }
}
