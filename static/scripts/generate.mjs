// Writes src/api/generated.ts: the API's types and the values of its enums from ../schema.graphql, and every operation of
// src/**/*.graphql as a typed string. An operation that the API does not know stops the build here.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { codegen } from '@graphql-codegen/core'
import * as typedDocuments from '@graphql-codegen/typed-document-node'
import * as types from '@graphql-codegen/typescript'
import * as operations from '@graphql-codegen/typescript-operations'
import { buildSchema, isEnumType, parse, printSchema, stripIgnoredCharacters } from 'graphql'

const home = join(dirname(fileURLToPath(import.meta.url)), '..')
const target = join(home, 'src/api/generated.ts')

const files = readdirSync(join(home, 'src'), { recursive: true })
  .map((name) => join(home, 'src', name))
  .filter((path) => path.endsWith('.graphql'))
  .sort()

const schema = buildSchema(readFileSync(join(home, '../schema.graphql'), 'utf8'))
const text = await codegen({
  filename: target,
  schema: parse(printSchema(schema)),
  schemaAst: schema,
  documents: files.map((location) => ({ location, document: parse(readFileSync(location, 'utf8')) })),
  config: {
    documentMode: 'string',
    enumsAsTypes: true,
    useTypeImports: true,
    scalars: { DateTime: 'string', ID: 'string', JSON: 'unknown' },
    strictScalars: true,
    skipTypename: true,
    avoidOptionals: { field: true },
    dedupeFragments: true,
  },
  plugins: [{ types: {} }, { operations: {} }, { typedDocuments: {} }],
  pluginMap: { types, operations, typedDocuments },
})
const banner = `// Made by scripts/generate.mjs from ${relative(home, join(home, '../schema.graphql'))} and src/**/*.graphql.\n`
// Every page loads all operations first: without their white space they are smaller.
const operation = /new TypedDocumentString\(`([^`]*)`/g
const short = text.replace(
  operation,
  (_, document) => `new TypedDocumentString(\`${stripIgnoredCharacters(document)}\``,
)
// Types vanish at run time: a menu needs the values.
const enums = Object.values(schema.getTypeMap()).filter((type) => isEnumType(type) && !type.name.startsWith('__'))
const values = enums.map((type) => {
  const name = `${type.name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()}_VALUES`
  const list = JSON.stringify(type.getValues().map((value) => value.name))
  return `export const ${name} = ${list} as const satisfies readonly ${type.name}[]\n`
})
writeFileSync(target, banner + short + values.join(''))
