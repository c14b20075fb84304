extension S3Store {
  /// Writes an object whole.
  ///
  /// - Parameter ifAbsent: fails with kind `alreadyExists` when something is there; see ``offersConditionalWrites``.
  /// - Throws: Kind `unknownOutcome` when the answer was lost and reading back does not tell either.
  public func write(
    _ location: String, _ bytes: [UInt8], ifAbsent: Bool
  ) async throws(IcebergError) -> ObjectInfo {
    let place = try S3Location(location)
    try place.requireKey()
    var call = S3Call(method: "PUT", bucket: place.bucket, key: place.key)
    call.body = .bytes(bytes)
    call.payloadHash = Digests.sha256(bytes)
    call.headers["Content-MD5"] = Digests.md5Base64(bytes)
    if ifAbsent && !offersConditionalWrites { return try await lookThenPut(call, place) }
    if ifAbsent { call.headers["If-None-Match"] = "*" }
    let result = try await client.perform(call)
    guard case .answer(let answer) = result else {
      guard case .lost(let failure) = result else { return info(place, call, nil) }
      guard ifAbsent, failure.mayHaveBeenApplied else { throw S3Client.error(failure) }
      return try await settle(place, bytes, because: S3Client.error(failure).message)
    }
    if answer.response.isSuccess { return info(place, call, answer.response) }
    let failure = S3Failure(answer.response)
    guard ifAbsent else { throw failure.error(call.summary) }
    if failure.isNotImplemented {
      refuseConditionalWrites()
      return try await lookThenPut(call, place)
    }
    let error = failure.error(call.summary)
    if failure.status == 412 {
      // Nobody but us can have written it when an attempt of ours came before: then what is there decides.
      guard answer.mayHaveBeenAppliedBefore else { throw IcebergError(.alreadyExists, "\(location) exists already") }
      return try await settle(place, bytes, because: error.message)
    }
    if failure.status >= 500 && failure.status != 503 || answer.mayHaveBeenAppliedBefore {
      return try await settle(place, bytes, because: error.message)
    }
    throw error
  }

  /// For stores without conditional writes.
  private func lookThenPut(_ call: S3Call, _ place: S3Location) async throws(IcebergError) -> ObjectInfo {
    var call = call
    call.headers["If-None-Match"] = nil
    if try await head(place) != nil {
      throw IcebergError(.alreadyExists, "\(place.location(ofKey: place.key)) exists already")
    }
    return info(place, call, try await client.require(call))
  }

  /// Decides by what is there whether a conditional write with a lost answer was applied.
  private func settle(
    _ place: S3Location, _ bytes: [UInt8], because reason: String
  ) async throws(IcebergError) -> ObjectInfo {
    let location = place.location(ofKey: place.key)
    let found: ObjectInfo?
    do {
      found = try await head(place)
      if let found, found.size == Int64(bytes.count), try await read(location, range: nil) == bytes { return found }
    } catch {
      throw IcebergError(
        .unknownOutcome, "\(reason). Whether \(location) was written is unknown: reading back failed: \(error.message)")
    }
    if found != nil { throw IcebergError(.alreadyExists, "\(location) exists already, with other content") }
    throw IcebergError(
      .unknownOutcome, "\(reason). \(location) is not there now, but the request may still arrive: look again later")
  }

  private func info(_ place: S3Location, _ call: S3Call, _ response: HTTPTransportResponse?) -> ObjectInfo {
    ObjectInfo(
      location: place.location(ofKey: place.key), size: call.body.count,
      modifiedMilliseconds: response?.headers["Date"].flatMap { CivilTime.http($0) } ?? environment.nowMilliseconds(),
      entityTag: response?.headers["ETag"])
  }

  /// Puts a local file to `location`: in one request, or in parallel parts when it is large.
  public func upload(file path: String, to location: String) async throws(IcebergError) -> ObjectInfo {
    let place = try S3Location(location)
    try place.requireKey()
    let file = try await files.run { () throws(IcebergError) in try ReadableFile(path: path) }
    let status = try await files.run { () throws(IcebergError) in try file.status() }
    guard status.isRegular else { throw IcebergError(.invalid, "\(path) is not a regular file") }
    if status.size > configuration.multipartThresholdBytes {
      return try await MultipartUpload(store: self, place: place, file: file, size: status.size).run()
    }
    let range = 0..<status.size
    var call = S3Call(method: "PUT", bucket: place.bucket, key: place.key)
    call.body = status.size == 0 ? .bytes([]) : .file(path: path, range: range)
    call.payloadHash = try await files.run { () throws(IcebergError) in try Digests.sha256(file, range) }
    return info(place, call, try await client.require(call))
  }
}
