// The one fault for which a run may go on from an older checkpoint: content that is proven to be another than was written, by
// its own hash, its recorded size or its end. All else that keeps a checkpoint from being opened - the system does not give
// it, a newer format, a folder of another name - may pass, and the checkpoint is good.
#pragma once

#include "base/errors.h"

namespace trellis::checkpoint {

class DamagedError : public DataError {
 public:
  using DataError::DataError;
};

}  // namespace trellis::checkpoint
