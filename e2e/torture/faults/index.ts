import type { Fault } from './fault.ts';
import { MACHINE_FAULTS } from './machine.ts';
import { NETWORK_FAULTS } from './network.ts';
import { PROCESS_FAULTS } from './processes.ts';
import { SERVER_FAULTS } from './servers.ts';

export const FAULTS: readonly Fault[] = [
  ...PROCESS_FAULTS,
  ...NETWORK_FAULTS,
  ...SERVER_FAULTS,
  ...MACHINE_FAULTS,
];
