#include "report/wording.h"

#include <cmath>
#include <fmt/core.h>

#include "plan/elementary.h"

namespace trellis {

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds > 0 && seconds < 0.00995) return fmt::format("{:.2g}ms", seconds * 1e3);
  if (seconds < 9.995) return fmt::format("{:.2f}s", seconds);
  if (seconds > 1e9) return ">30y";
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h{:02}m", whole / 3600, whole % 3600 / 60);
  return fmt::format("{}d{:02}h", whole / 86400, whole % 86400 / 3600);
}

std::string format_count(double count) {
  if (!std::isfinite(count)) return std::isnan(count) ? "?" : fmt::format("{}", count);
  const char* unit = "";
  if (std::abs(count) >= 9999.5) {
    for (const char* next : {"k", "M", "G", "T"}) {
      if (*unit != '\0' && std::abs(count) < 999.5) break;
      count /= 1000;
      unit = next;
    }
  }
  if (*unit == '\0') return fmt::format("{:.0f}", count);
  return fmt::format("{:.{}f}{}", count, std::abs(count) < 9.995 ? 2 : std::abs(count) < 99.95 ? 1 : 0, unit);
}

std::string format_bytes(std::int64_t bytes) {
  if (bytes < 0) return "?";
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB", "PiB"}) {
    if (*unit != '\0' && value < 1023.95) break;
    value /= 1024;
    unit = next;
  }
  return fmt::format("{:.1f} {}", value, unit);
}

std::string format_loss(double nats) {
  if (std::isnan(nats)) return "nan";  // never "-nan"
  return std::abs(nats) < 1e6 ? fmt::format("{:.4f}", nats) : fmt::format("{:.3g}", nats);
}

std::string format_perplexity(double loss_nats) {
  const double perplexity = exponential(loss_nats);
  if (std::isnan(perplexity)) return "nan";
  if (perplexity < 99.995) return fmt::format("{:.2f}", perplexity);
  return perplexity < 1e6 ? fmt::format("{:.1f}", perplexity) : fmt::format("{:.3g}", perplexity);
}

std::string format_accuracy(double share) { return fmt::format("{:.2f} %", 100 * share); }

}  // namespace trellis
