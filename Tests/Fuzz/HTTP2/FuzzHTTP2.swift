/// Where libFuzzer comes in.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzzHTTP2(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var input = FuzzInput(UnsafeBufferPointer(start: bytes, count: count))
    FuzzedServer.serve(&input)
    return 0
}
