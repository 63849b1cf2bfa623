import {
  type ColumnDefinitionNode,
  DataTypeNode,
  GeneratedNode,
  HandleEmptyInListsPlugin,
  type KyselyPlugin,
  type OperationNode,
  OperationNodeTransformer,
  type QueryId,
  RawNode,
  replaceWithNoncontingentExpression,
} from 'kysely';

/**
 * Column types as the migrations name them, in PostgreSQL: `integer` holds what SQLite's does, texts
 * are ordered by their bytes whatever the database's locale is, and `autoIncrement()` is an identity.
 */
class PostgresTypes extends OperationNodeTransformer {
  protected override transformColumnDefinition(
    node: ColumnDefinitionNode,
    queryId?: QueryId,
  ): ColumnDefinitionNode {
    const { autoIncrement, ...column } = super.transformColumnDefinition(node, queryId);
    const dataType = postgresType(node.dataType);
    if (autoIncrement !== true) return { ...column, dataType };
    const generated = GeneratedNode.create({ identity: true, byDefault: true });
    return { ...column, dataType, generated };
  }
}

function postgresType(type: OperationNode): OperationNode {
  const name = DataTypeNode.is(type)
    ? type.dataType
    : RawNode.is(type) && type.parameters.length === 0
      ? type.sqlFragments.join('')
      : '';
  switch (name) {
    case 'blob':
      return DataTypeNode.create('bytea');
    case 'integer':
      return DataTypeNode.create('bigint');
    case 'text':
      return RawNode.createWithSql('text collate "C"');
    case 'real':
      return DataTypeNode.create('double precision');
    default:
      return type;
  }
}

const types = new PostgresTypes();

/** Only statements that make columns are looked through. */
const columnTypes: KyselyPlugin = {
  transformQuery: ({ node, queryId }) =>
    node.kind === 'CreateTableNode' || node.kind === 'AlterTableNode'
      ? types.transformNode(node, queryId)
      : node,
  transformResult: async ({ result }) => result,
};

/** `in ()` is no SQL, save for SQLite. */
export const POSTGRES_PLUGINS: readonly KyselyPlugin[] = [
  columnTypes,
  new HandleEmptyInListsPlugin({ strategy: replaceWithNoncontingentExpression }),
];
