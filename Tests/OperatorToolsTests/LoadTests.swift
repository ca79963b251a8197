import MeridianAPI
import OperatorTools
import Testing

@Suite struct LoadScheduleTests {
    @Test func `calls are spread evenly over the duration`() {
        let schedule = LoadSchedule(rate: 300, duration: .seconds(6))
        #expect(schedule.count == 1_800)
        #expect(schedule.offset(of: 0) == .zero)
        #expect(schedule.offset(of: 1) == .nanoseconds(3_333_333))
        #expect(schedule.offset(of: 300) == .seconds(1))
        #expect(schedule.offset(of: 1_799) < .seconds(6))
    }

    @Test func `a call is started once, when its time has come`() {
        var schedule = LoadSchedule(rate: 10, duration: .milliseconds(300))
        #expect(schedule.timeReached(.zero) == .start(0..<1))
        #expect(schedule.timeReached(.milliseconds(50)) == .wait(until: .milliseconds(100)))
        #expect(schedule.timeReached(.milliseconds(250)) == .start(1..<3))
        #expect(schedule.timeReached(.milliseconds(250)) == .finished)
    }

    @Test func `a schedule that has fallen behind catches up in bursts`() {
        var schedule = LoadSchedule(rate: 100, duration: .seconds(1))
        let burst = LoadSchedule.maximumBurst
        #expect(schedule.timeReached(.seconds(9)) == .start(0..<burst))
        #expect(schedule.timeReached(.seconds(9)) == .start(burst..<100))
        #expect(schedule.timeReached(.seconds(9)) == .finished)
    }
}

@Suite struct ReportMixTests {
    @Test func `the same seed asks for the same reports`() {
        var one = ReportMix(seed: 7, customers: 5_000)
        var other = ReportMix(seed: 7, customers: 5_000)
        for _ in 0..<1_000 {
            let request = one.next()
            #expect(request == other.next())
        }
    }

    @Test func `nearly all are statements, of customers that exist`() {
        var mix = ReportMix(seed: 7, customers: 20)
        var countByReport: [String: Int] = [:]
        for _ in 0..<10_000 {
            let request = mix.next()
            countByReport[request.report, default: 0] += 1
            if let customer = request.parameters["customer"] {
                #expect((1...20).contains(Int(customer) ?? 0))
            }
        }
        #expect((9_300...9_500).contains(countByReport["customer-statement"] ?? 0))
        #expect((300...500).contains(countByReport["sales-by-region-and-month"] ?? 0))
        #expect((150...250).contains(countByReport["top-products"] ?? 0))
    }
}

@Suite struct LoadStatisticsTests {
    @Test func `calls are counted by outcome, region and worker`() {
        var statistics = LoadStatistics(maximumInFlight: 10)
        call(&statistics, .served(region: "eu", worker: "eu-1"), at: 10, taking: 1)
        call(&statistics, .served(region: "us", worker: "us-1"), at: 20, taking: 90)
        call(&statistics, .served(region: "eu", worker: "eu-2"), at: 30, taking: 2)
        call(&statistics, .failed("UNAVAILABLE"), at: 40, taking: 3_000)
        let summary = LoadSummary(statistics, startedUnixMilliseconds: 1_000)
        #expect(summary.requests == 4)
        #expect(summary.ok == 3)
        #expect(summary.failed == 1)
        #expect(summary.errors == ["UNAVAILABLE": 1])
        #expect(summary.byRegion == ["eu": 2, "us": 1])
        #expect(summary.byWorker == ["eu-1": 1, "eu-2": 1, "us-1": 1])
        #expect(summary.firstOKUnixMilliseconds == ["eu": 1_010, "us": 1_020])
        #expect(summary.lastOKUnixMilliseconds == ["eu": 1_030, "us": 1_020])
        #expect(summary.latency.p50 == 2)
        #expect(summary.latency.max == 90)
        #expect(summary.latencyByRegion["eu"]?.max == 2)
    }

    @Test func `a call beyond the bound is not sent and has failed`() {
        var statistics = LoadStatistics(maximumInFlight: 2)
        #expect(statistics.callDue() == .send)
        #expect(statistics.callDue() == .send)
        #expect(statistics.callDue() == .drop)
        statistics.callEnded(.served(region: "eu", worker: "a"), at: .zero, latency: .zero)
        #expect(statistics.callDue() == .send)
        let summary = LoadSummary(statistics, startedUnixMilliseconds: 0)
        #expect(summary.errors == ["NOT_SENT": 1])
        #expect(summary.requests == 4)
    }

    @Test func `names without end are counted together`() {
        var statistics = LoadStatistics(maximumInFlight: 1)
        for number in 0..<(LoadStatistics.maximumNames + 44) {
            call(&statistics, .served(region: "r", worker: "w\(number)"), at: 0, taking: 0)
        }
        let summary = LoadSummary(statistics, startedUnixMilliseconds: 0)
        #expect(summary.byWorker.count == LoadStatistics.maximumNames + 1)
        #expect(summary.byWorker[LoadStatistics.otherName] == 44)
    }

    @Test func `percentiles of nothing are zero`() {
        let summary = LoadSummary(
            LoadStatistics(maximumInFlight: 1),
            startedUnixMilliseconds: 0
        )
        #expect(summary.latency.p50 == 0)
        #expect(summary.latency.p999 == 0)
        #expect(summary.latency.max == 0)
    }

    @Test func `the JSON has the names that scripts read`() throws {
        var statistics = LoadStatistics(maximumInFlight: 1)
        call(&statistics, .served(region: "eu", worker: "eu-1"), at: 10, taking: 2)
        let json = try prettyJSON(LoadSummary(statistics, startedUnixMilliseconds: 1_000))
        #expect(
            json == """
                {
                  "by_region" : {
                    "eu" : 1
                  },
                  "by_worker" : {
                    "eu-1" : 1
                  },
                  "errors" : {

                  },
                  "failed" : 0,
                  "first_ok_unix_ms" : {
                    "eu" : 1010
                  },
                  "last_ok_unix_ms" : {
                    "eu" : 1010
                  },
                  "latency_by_region" : {
                    "eu" : {
                      "max_ms" : 2,
                      "p50_ms" : 2,
                      "p999_ms" : 2,
                      "p99_ms" : 2
                    }
                  },
                  "max_ms" : 2,
                  "ok" : 1,
                  "p50_ms" : 2,
                  "p999_ms" : 2,
                  "p99_ms" : 2,
                  "requests" : 1,
                  "started_unix_ms" : 1000
                }
                """
        )
    }

    @Test func `the table has a row for each region and one for all`() {
        var statistics = LoadStatistics(maximumInFlight: 1)
        call(&statistics, .served(region: "us", worker: "us-1"), at: 0, taking: 90)
        for _ in 0..<3 {
            call(&statistics, .served(region: "eu", worker: "eu-1"), at: 0, taking: 2)
        }
        call(&statistics, .failed("UNAVAILABLE"), at: 0, taking: 0)
        let text = LoadSummary(statistics, startedUnixMilliseconds: 0).description
        #expect(
            text == """
                REGION   SERVED     SHARE       P50       P99     P99.9       MAX
                eu            3    75.0 %   2.00 ms   2.00 ms   2.00 ms   2.00 ms
                us            1    25.0 %   90.0 ms   90.0 ms   90.0 ms   90.0 ms
                all           4   100.0 %   2.00 ms   90.0 ms   90.0 ms   90.0 ms

                5 requests, 1 failed: UNAVAILABLE 1
                """
        )
    }

    private func call(
        _ statistics: inout LoadStatistics,
        _ outcome: LoadStatistics.Outcome,
        at elapsed: Int,
        taking latency: Int
    ) {
        _ = statistics.callDue()
        statistics.callEnded(
            outcome,
            at: .milliseconds(elapsed),
            latency: .milliseconds(latency)
        )
    }
}
