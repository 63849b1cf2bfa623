import Type, { type Static } from 'typebox';
import { closed, Id, Links } from './common.ts';

/** How to reach a cluster, without credentials: in its list of hosts or by its SRV record. */
const ConnectionStrings = Type.Object(
  { standard: Type.Optional(Type.String()), standardSrv: Type.Optional(Type.String()) },
  closed,
);

/**
 * A destination cluster as Atlas shows clusters. The three versions differ in how they tell what a
 * cluster is made of (its regions, tiers and disks): nothing that a cluster of one's own has. What is
 * left is the same in all of them. Attributes that nothing is known of are absent.
 */
export const AtlasCluster = Type.Object(
  {
    /** Of the last connection test that went well. */
    clusterType: Type.Optional(Type.Enum(['REPLICASET', 'SHARDED'])),
    connectionStrings: ConnectionStrings,
    groupId: Id,
    id: Id,
    links: Links,
    /** Three numbers with dots between; of the last connection test that went well. */
    mongoDBVersion: Type.Optional(Type.String({ pattern: '^\\d+\\.\\d+\\.\\d+$' })),
    name: Type.String(),
    paused: Type.Boolean(),
    stateName: Type.Literal('IDLE'),
  },
  closed,
);
export type AtlasCluster = Static<typeof AtlasCluster>;
