// What a tool that listens to NVTX hears of spans. The tool is part of this program, as NVTX allows: no GPU is needed.
#include "comm/cuda/nvtx_ranges.h"

#include <gmock/gmock.h>
#include <nvtx3/nvToolsExt.h>

#include <string>
#include <vector>

namespace {

std::vector<std::string> heard;

int hear_push(const nvtxEventAttributes_t* range) {
  heard.emplace_back(range->message.ascii);
  if (range->payloadType == NVTX_PAYLOAD_TYPE_INT64) heard.back() += " " + std::to_string(range->payload.llValue);
  return 0;
}
int hear_pop() {
  heard.emplace_back("pop");
  return 0;
}

int attach(NvtxGetExportTableFunc_t export_table) {
  const auto* const callbacks = static_cast<const NvtxExportTableCallbacks*>(export_table(NVTX_ETID_CALLBACKS));
  NvtxFunctionTable functions = nullptr;
  unsigned int count = 0;
  if (callbacks == nullptr || callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE, &functions, &count) == 0) return 0;
  if (count <= NVTX_CBID_CORE_RangePop) return 0;
  *functions[NVTX_CBID_CORE_RangePushEx] = reinterpret_cast<NvtxFunctionPointer>(hear_push);
  *functions[NVTX_CBID_CORE_RangePop] = reinterpret_cast<NvtxFunctionPointer>(hear_pop);
  return 1;
}

}  // namespace

namespace trellis {
namespace {

TEST(NvtxRanges, AreTheSpansWithTheirLevelOrItem) {
  InitializeInjectionNvtx2_fnptr = attach;  // which the first range looks for
  set_range_hooks(&kNvtxRanges);
  {
    const TimeSpan step("step", {.step = 3});
    { const TimeSpan gates("gates", 0); }
    const TimeSpan softmax("softmax of a cluster", {.item = 2});
  }
  set_range_hooks(nullptr);
  { const TimeSpan unheard("unheard"); }
  EXPECT_THAT(heard, testing::ElementsAre("step", "gates 0", "pop", "softmax of a cluster 2", "pop", "pop"));
}

}  // namespace
}  // namespace trellis
