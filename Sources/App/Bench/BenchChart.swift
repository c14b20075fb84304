/// Bars of a report as SVG: events per second, and per CPU-second, with a line from the least to the greatest.
package enum BenchChart {
  private static let (left, width, bar, gap) = (210.0, 420.0, 16.0, 6.0)

  /// A picture of all reports, one below the other.
  package static func svg(_ reports: [BenchReport]) -> String {
    var body = ""
    var top = 20.0
    for report in reports {
      body += text(10, top, "\(report.name): \(report.summary)", "class=\"title\"")
      top += 18
      let both = report.contenders.flatMap { [$0.eventsPerSecond.greatest, $0.eventsPerCpuSecond.greatest] }
      let greatest = max(both.max() ?? 1, 1)
      for contender in report.contenders {
        body += text(left - 10, top + bar + 4, contender.name, "text-anchor=\"end\"")
        body += bars(contender.eventsPerSecond, top, greatest, "#2b6cb0")
        body += bars(contender.eventsPerCpuSecond, top + bar, greatest, "#90cdf4")
        top += 2 * bar + gap
      }
      top += 24
    }
    body += legend(top)
    let (all, height) = (left + width + 160, top + 30)
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(number(all))" height="\(number(height))" \
      viewBox="0 0 \(number(all)) \(number(height))" font-family="sans-serif" font-size="12">
      <style>.title{font-weight:bold}</style>
      <rect width="100%" height="100%" fill="white"/>
      \(body)</svg>

      """
  }

  private static func bars(_ spread: Spread, _ top: Double, _ greatest: Double, _ colour: String) -> String {
    func x(_ value: Double) -> Double { left + value / greatest * width }
    let middle = top + bar / 2
    return """
      <rect x="\(number(left))" y="\(number(top))" width="\(number(x(spread.median) - left))" \
      height="\(number(bar - 2))" fill="\(colour)"/>
      <line x1="\(number(x(spread.least)))" y1="\(number(middle - 1))" x2="\(number(x(spread.greatest)))" \
      y2="\(number(middle - 1))" stroke="black"/>
      \(text(x(spread.greatest) + 6, top + bar - 4, "\(Spread.fixed(spread.median / 1e6, 2)) M", ""))
      """
  }

  private static func legend(_ top: Double) -> String {
    """
    <rect x="\(number(left))" y="\(number(top - 10))" width="12" height="12" fill="#2b6cb0"/>
    \(text(left + 18, top, "events per second", ""))\
    <rect x="\(number(left + 150))" y="\(number(top - 10))" width="12" height="12" fill="#90cdf4"/>
    \(text(left + 168, top, "events per CPU-second", ""))
    """
  }

  private static func text(_ x: Double, _ y: Double, _ words: String, _ attributes: String) -> String {
    let escaped = words.map { $0 == "&" ? "&amp;" : $0 == "<" ? "&lt;" : String($0) }.joined()
    return "<text x=\"\(number(x))\" y=\"\(number(y))\" \(attributes)>\(escaped)</text>\n"
  }

  private static func number(_ value: Double) -> String { Spread.fixed(value, 1) }
}
