/// How the control plane asks a service's workers for their health.
package struct ProbePolicy: Hashable, Sendable {
    package var interval: Duration
    /// Time that a worker has to answer.
    package var timeout: Duration
    /// Failures in a row after which a worker is unhealthy.
    package var failures: Int
    /// Answers in a row after which it is healthy again.
    package var successes: Int

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

/// What the control plane's own questions have found of one worker.
package struct ProbeState: Hashable, BitwiseCopyable, Sendable {
    package enum Verdict: Hashable, BitwiseCopyable, Sendable {
        /// Not asked, or not often enough.
        case unknown
        case serving
        case failing
        /// It fails together with so many others that the control plane's own way to them is the
        /// likelier fault. Counts for nothing.
        case doubted
    }

    package private(set) var verdict = Verdict.unknown
    private var failures: UInt16 = 0
    private var successes: UInt16 = 0

    package init() {}

    /// It did not answer the last time, whatever the verdict is.
    var hasFailed: Bool { failures > 0 }
    var hasAnswered: Bool { successes > 0 }

    mutating func answered(_ policy: ProbePolicy) {
        failures = 0
        successes = successes == .max ? .max : successes + 1
        if Int(successes) >= policy.successes { verdict = .serving }
    }

    /// Returns true when it has failed often enough for a verdict, which is then to be given.
    mutating func failed(_ policy: ProbePolicy) -> Bool {
        successes = 0
        failures = failures == .max ? .max : failures + 1
        return Int(failures) >= policy.failures && verdict != .failing
    }

    mutating func judge(_ verdict: Verdict) { self.verdict = verdict }
}
