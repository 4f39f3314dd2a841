// Precompiled for every source that uses ATen: its headers cost 15 s a file otherwise.
#pragma once
#include <ATen/ATen.h>
