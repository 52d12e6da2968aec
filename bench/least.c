/* The floor with each shortcut that is known (floor.c). */
#define LEAST
#include "floor.c"
