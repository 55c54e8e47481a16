/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/network.h"

void network_free(struct network *network)
{
	if (network)
		network->ops->free(network);
}
