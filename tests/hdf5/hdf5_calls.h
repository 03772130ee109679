// How often anything in this process handed a file to libhdf5 to read. Every way in is counted: a file's bytes reach
// libhdf5 only through one of these functions, which hdf5_calls_helpers.cpp puts before the library's own.
#pragma once

namespace trellis::testing_support {

int files_given_to_hdf5();

}  // namespace trellis::testing_support
