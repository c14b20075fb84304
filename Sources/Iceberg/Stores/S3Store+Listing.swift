extension S3Store {
  /// The most keys of one request to list or to delete.
  static let keysMax = 1000

  /// Objects whose location begins with `prefix`, in the order of their keys' UTF-8, up to 1000 at a time.
  ///
  /// - Parameter after: The location after which to go on: `next` of the page before.
  public func list(prefix: String, after: String?) async throws(IcebergError) -> ObjectPage {
    let place = try S3Location(prefix)
    var query = [
      (name: "list-type", value: "2"), (name: "encoding-type", value: "url"),
      (name: "max-keys", value: String(Self.keysMax))
    ]
    if !place.key.isEmpty { query.append(("prefix", place.key)) }
    if let after {
      let last = try S3Location(after)
      guard last.bucket == place.bucket else {
        throw IcebergError(.invalid, "a listing of \(prefix) cannot go on after \(after)")
      }
      query.append(("start-after", last.key))
    }
    let call = S3Call(method: "GET", bucket: place.bucket, key: "", query: query)
    let response = try await client.require(call)
    guard let root = XMLTree.parse(response.body), root.name == "ListBucketResult" else {
      throw IcebergError(.corrupt, "listing \(prefix): the answer is not a listing")
    }
    let isEncoded = root["EncodingType"]?.text == "url"
    var objects: [ObjectInfo] = []
    for item in root.all("Contents") { objects.append(try object(item, place: place, isEncoded: isEncoded)) }
    let isTruncated = root["IsTruncated"]?.text == "true"
    if isTruncated && objects.isEmpty {
      throw IcebergError(.corrupt, "listing \(prefix): the answer says that there is more, but holds nothing")
    }
    return ObjectPage(objects: objects, next: isTruncated ? objects.last?.location : nil)
  }

  private func object(_ item: XMLTree, place: S3Location, isEncoded: Bool) throws(IcebergError) -> ObjectInfo {
    let text = item["Key"]?.text ?? ""
    guard let key = isEncoded ? PercentEncoding.decodeForm(text) : text, !key.isEmpty,
      let size = item["Size"].flatMap({ Int64($0.text) }), size >= 0
    else {
      throw IcebergError(.corrupt, "a listing of s3://\(place.bucket)/\(place.key) has an entry without key or size")
    }
    return ObjectInfo(
      location: place.location(ofKey: key), size: size,
      modifiedMilliseconds: item["LastModified"].flatMap { CivilTime.extended($0.text) } ?? 0,
      entityTag: item["ETag"]?.text)
  }

  /// Removes objects, up to 1000 in one request; those that are not there are no failure.
  public func delete(_ locations: [String]) async throws(IcebergError) {
    var keys: [String: [String]] = [:]
    for location in locations {
      let place = try S3Location(location)
      try place.requireKey()
      keys[place.bucket, default: []].append(place.key)
    }
    for bucket in keys.keys.sorted() {
      let all = keys[bucket] ?? []
      let plain = all.filter(XMLText.canCarry)
      for start in stride(from: 0, to: plain.count, by: Self.keysMax) {
        try await deleteBatch(bucket, Array(plain[start..<min(start + Self.keysMax, plain.count)]))
      }
      for key in all where !XMLText.canCarry(key) { try await deleteOne(bucket, key) }
    }
  }

  private func deleteOne(_ bucket: String, _ key: String) async throws(IcebergError) {
    let call = S3Call(method: "DELETE", bucket: bucket, key: key)
    if case .answer(let answer) = try await client.perform(call), answer.response.status == 404,
      S3Failure(answer.response).code != "NoSuchBucket"
    {
      return
    }
    _ = try await client.require(call)
  }

  /// What a server says of a key that it did not delete.
  private struct Refusal {
    var key: String
    var code: String
    var message: String

    var isTransient: Bool {
      ["InternalError", "SlowDown", "ServiceUnavailable", "OperationAborted", "RequestTimeout"].contains(code)
    }
  }

  private func deleteBatch(_ bucket: String, _ keys: [String]) async throws(IcebergError) {
    if keys.count == 1 { return try await deleteOne(bucket, keys[0]) }
    var left = keys
    for attempt in 1...max(1, configuration.retryPolicy.attempts) {
      guard let refusals = try await deleteOnce(bucket, left) else {
        // The store does not know the request.
        for key in left { try await deleteOne(bucket, key) }
        return
      }
      if refusals.isEmpty { return }
      let final = refusals.filter { !$0.isTransient }
      if !final.isEmpty || attempt == configuration.retryPolicy.attempts {
        throw Self.error(bucket, final.isEmpty ? refusals : final, of: keys.count)
      }
      left = refusals.map(\.key)
      do {
        try await environment.sleep(configuration.retryPolicy.backoff(attempt: attempt, random: environment.random()))
      } catch {
        throw Self.error(bucket, refusals, of: keys.count)
      }
    }
  }

  /// The keys that were refused; `nil` when the store cannot delete several at once.
  private func deleteOnce(_ bucket: String, _ keys: [String]) async throws(IcebergError) -> [Refusal]? {
    var text = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>"
    for key in keys { text += "<Object><Key>\(XMLText.escape(key))</Key></Object>" }
    text += "</Delete>"
    let body = Array(text.utf8)
    var call = S3Call(method: "POST", bucket: bucket, key: "", query: [("delete", "")])
    call.body = .bytes(body)
    call.payloadHash = Digests.sha256(body)
    call.headers = ["Content-MD5": Digests.md5Base64(body), "Content-Type": "application/xml"]
    call.mayFailLate = true
    let response: HTTPTransportResponse
    switch try await client.perform(call) {
    case .lost(let failure): throw S3Client.error(failure)
    case .answer(let answer): response = answer.response
    }
    guard response.isSuccess else {
      let failure = S3Failure(response)
      if failure.isNotImplemented || failure.status == 405 { return nil }
      throw failure.error("deleting \(keys.count) objects of s3://\(bucket)")
    }
    if response.body.isEmpty { return [] }
    guard let root = XMLTree.parse(response.body), root.name == "DeleteResult" else {
      throw S3Failure(response).error("deleting \(keys.count) objects of s3://\(bucket)")
    }
    return root.all("Error").compactMap { item in
      let refusal = Refusal(
        key: item["Key"]?.text ?? "", code: item["Code"]?.text ?? "", message: item["Message"]?.text ?? "")
      return refusal.code == "NoSuchKey" ? nil : refusal
    }
  }

  private static func error(_ bucket: String, _ refusals: [Refusal], of count: Int) -> IcebergError {
    let shown = refusals.prefix(3).map { "\($0.key): \($0.code) \($0.message)" }.joined(separator: "; ")
    let isDenied = refusals.contains { $0.code == "AccessDenied" }
    return IcebergError(
      isDenied ? .unauthorized : refusals.allSatisfy(\.isTransient) ? .transient : .invalid,
      "\(refusals.count) of \(count) objects of s3://\(bucket) were not deleted: \(shown)")
  }
}
