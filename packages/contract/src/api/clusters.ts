import Type, { type Static } from 'typebox';
import { closed, Id, Links, Nullable, Time } from './common.ts';

const Fence = Type.Enum(['ENFORCED', 'NOT_ENFORCED']);

/** A destination cluster, Linkspan's own resource. Its connection string is never shown. */
export const Cluster = Type.Object(
  {
    created: Time,
    /**
     * Whether the cluster refuses what an earlier push session has under way; null before it was
     * connected to. It says what the answer to a removal of the link-token rests on.
     */
    fence: Nullable(Fence),
    groupId: Id,
    /** `host:port` of the seed list, or the name of a `mongodb+srv` record. No credentials. */
    hosts: Type.Array(Type.String()),
    id: Id,
    links: Links,
    /** Of the last connection test that went well, or null. */
    mongoDBVersion: Nullable(Type.String()),
    name: Type.String(),
    topology: Nullable(Type.String()),
  },
  closed,
);
export type Cluster = Static<typeof Cluster>;

const Name = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9-]{0,63}$' });
const Uri = Type.String({ minLength: 1, maxLength: 8192 });

/** Certificate authorities, PEM, that the cluster's certificate is signed by; the system's if absent. */
const TlsCa = Type.Optional(Type.Union([Type.String({ maxLength: 65_536 }), Type.Null()]));

export const CreateCluster = Type.Object(
  { name: Name, connectionString: Uri, tlsCA: TlsCa },
  closed,
);
export type CreateCluster = Static<typeof CreateCluster>;

/** What is absent is taken away: the two belong together. */
export const UpdateCluster = Type.Object({ connectionString: Uri, tlsCA: TlsCa }, closed);
export type UpdateCluster = Static<typeof UpdateCluster>;

/** Answer of a connection test. Codes are coarse; the message holds no credentials. */
export const ConnectionTestResult = Type.Union([
  Type.Object(
    {
      fence: Fence,
      mongoDBVersion: Type.String(),
      ok: Type.Literal(true),
      topology: Type.String(),
    },
    closed,
  ),
  Type.Object({ code: Type.String(), message: Type.String(), ok: Type.Literal(false) }, closed),
]);
export type ConnectionTestResult = Static<typeof ConnectionTestResult>;
