import Mesh
import OperatorTools
import Testing

@Suite struct ShareArgumentsTests {
    @Test func `shares are read, said and sent`() throws {
        let shares = try ShareArguments(["us=20", "eu=80"], isNearest: false)
        #expect(shares.description == "eu 80 / us 20")
        #expect(shares.percentByRegion == ["eu": 80, "us": 20])
    }

    @Test func `a percent sign is allowed`() throws {
        let shares = try ShareArguments(["eu=100%"], isNearest: false)
        #expect(shares.percentByRegion == ["eu": 100])
    }

    @Test func `nearest first is sent as no shares`() throws {
        let shares = try ShareArguments([], isNearest: true)
        #expect(shares == .nearestFirst)
        #expect(shares.percentByRegion.isEmpty)
        #expect(shares.description == "nearest first")
    }

    @Test(arguments: [
        ([], false, "shares: none are given, expected REGION=PERCENT such as eu=80, or --nearest"),
        (["eu=100"], true, "shares: --nearest and shares are both given, expected one of them"),
        (["eu80"], false, "shares: expected REGION=PERCENT such as eu=80, got \"eu80\""),
        (["=80"], false, "shares: expected REGION=PERCENT such as eu=80, got \"=80\""),
        (["eu=much"], false, "shares: expected REGION=PERCENT such as eu=80, got \"eu=much\""),
        (["eu=50", "eu=50"], false, "shares: \"eu\" is given twice, expected it once"),
        (["eu=80", "us=10"], false, "shares: the shares add up to 90, expected 100"),
        (
            ["eu=-5", "us=105"], false,
            """
            shares[eu]: a share of -5, expected a percentage from 0 to 100
            shares[us]: a share of 105, expected a percentage from 0 to 100
            """
        ),
    ])
    func `a mistake is named`(_ arguments: [String], _ isNearest: Bool, _ message: String) {
        let error = #expect(throws: OperatorError.self) {
            try ShareArguments(arguments, isNearest: isNearest)
        }
        #expect(error?.message == message)
    }

    @Test func `a value may hold an equals sign and may be empty`() throws {
        let values = try parseNamedValues(["a=b=c", "d="], field: "--param", example: "NAME=VALUE")
        #expect(values == ["a": "b=c", "d": ""])
    }
}
