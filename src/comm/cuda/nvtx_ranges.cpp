#include "comm/cuda/nvtx_ranges.h"

#include <nvtx3/nvToolsExt.h>

namespace trellis {
namespace {

void push(const char* name, const SpanNumbers& numbers) {
  nvtxEventAttributes_t attributes{};
  attributes.version = NVTX_VERSION;
  attributes.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  attributes.messageType = NVTX_MESSAGE_TYPE_ASCII;
  attributes.message.ascii = name;
  if (const std::int64_t number = numbers.level >= 0 ? numbers.level : numbers.item; number >= 0) {
    attributes.payloadType = NVTX_PAYLOAD_TYPE_INT64;
    attributes.payload.llValue = number;
  }
  nvtxRangePushEx(&attributes);
}

void pop() { nvtxRangePop(); }

}  // namespace

const RangeHooks kNvtxRanges{push, pop};

}  // namespace trellis
