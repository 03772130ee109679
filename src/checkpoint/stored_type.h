// Types of tensors as HDF5 knows them.
#pragma once

#include <hdf5.h>

#include "checkpoint/tensor_slice.h"

namespace trellis::checkpoint {

// The type on the disk: little-endian, whatever machine writes it.
inline hid_t stored_type(ElementType type) {
  switch (type) {
    case ElementType::float32: return H5T_IEEE_F32LE;
    case ElementType::float64: return H5T_IEEE_F64LE;
    case ElementType::int64: return H5T_STD_I64LE;
  }
  return -1;
}

}  // namespace trellis::checkpoint
