// Which numbers and which device a run's settings ask for.
#include "train/from_settings.h"

#include <gmock/gmock.h>

#include <chrono>

#include "base/errors.h"
#include "comm/faults/watchdog.h"

namespace trellis {
namespace {

using testing::HasSubstr;

Settings with(Precision precision) {
  Settings settings;
  settings.train.precision = precision;
  settings.train.device = DeviceChoice::cpu;
  return settings;
}

TEST(FromSettings, Tf32IsAWayToMultiplyFloat32) {
  EXPECT_EQ(number_type_from(with(Precision::float32)), at::kFloat);
  EXPECT_EQ(number_type_from(with(Precision::float64)), at::kDouble);
  EXPECT_EQ(number_type_from(with(Precision::tf32)), at::kFloat);
}

TEST(FromSettings, Tf32OnACpuIsRefusedWithTheWayOut) {
  EXPECT_EQ(tensor_options_from(with(Precision::float32), at::kCPU).dtype(), at::kFloat);
  try {
    tensor_options_from(with(Precision::tf32), at::kCPU);
    FAIL() << "tf32 on a CPU was taken";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.fact(), HasSubstr("train.precision is tf32"));
    EXPECT_THAT(error.fix(), HasSubstr("train.precision = float32"));
  }
}

TEST(FromSettings, TensorsLieOnTheDeviceThatWasChosen) {
  const at::TensorOptions options = tensor_options_from(with(Precision::tf32), at::Device(at::kCUDA, 1));
  EXPECT_EQ(options.device(), at::Device(at::kCUDA, 1));
  EXPECT_EQ(options.dtype(), at::kFloat);
}

TEST(FromSettings, SaysWhichBitsTheNumberOfThreadsDecides) {
  Settings settings = with(Precision::float32);
  EXPECT_FALSE(bits_depend_on_threads(settings));
  settings.model.experts = 2;
  EXPECT_TRUE(bits_depend_on_threads(settings));
  EXPECT_FALSE(bits_depend_on_threads(with(Precision::float64)));
  EXPECT_TRUE(bits_depend_on_threads(with(Precision::bf16)));
}

// Commands without mesh settings wait as long as a run does unless it is told otherwise.
TEST(FromSettings, TheTimeoutsDefaultIsTheWatchdogs) { EXPECT_EQ(std::chrono::seconds(Settings{}.mesh.timeout), kDefaultWatchdogTimeout); }

}  // namespace
}  // namespace trellis
