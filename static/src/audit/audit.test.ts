import { expect, test, vi } from 'vitest'
import { auditEntry } from '@/testing/factories'
import { fakeApi } from '@/testing/render'
import { exportAuditLog, lineOf } from './export'
import { auditFilterOf, auditSearch } from './filter'
import { actionWords, detailsOf } from './words'

const ENTRY = auditEntry()

test('an action in words', () => {
  expect(actionWords('pauseJob')).toBe('Pause job')
  expect(actionWords('node.declared_dead')).toBe('Node declared dead')
  expect(actionWords('createApiToken')).toBe('Create API token')
  expect(actionWords('capitalize_rapid')).toBe('Capitalize rapid')
})

test('of a change only the fields that differ, and everything else as it is', () => {
  const details = JSON.stringify({ before: { name: 'a', tags: [] }, after: { name: 'b', tags: [] }, reason: 'x' })
  expect(detailsOf({ details })).toEqual({
    changes: [{ field: 'name', before: 'a', after: 'b' }],
    rest: '{\n  "reason": "x"\n}',
  })
  expect(detailsOf({ details: '{"version":{"before":null,"after":2}}' })).toEqual({
    changes: [{ field: 'version', before: '–', after: '2' }],
    rest: null,
  })
  expect(detailsOf({ details: '{"id":9007199254740993}' }).rest).toBe('{\n  "id": 9007199254740993\n}')
  expect(detailsOf({ details: null })).toEqual({ changes: [], rest: null })
  expect(detailsOf({ details: 'no json' })).toEqual({ changes: [], rest: 'no json' })
})

test('a line of the export is one line of JSON, with the numbers of the details', () => {
  const line = lineOf({ ...ENTRY, details: '{"id": 9007199254740993,\n"text": "a\\nb"}' })
  expect(line.split('\n')).toHaveLength(1)
  expect(line).toContain('"details":{"id": 9007199254740993, "text": "a\\nb"}')
  expect(JSON.parse(lineOf({ ...ENTRY, details: 'no json' })).details).toBe('no json')
})

test('the export reads page after page, also behind an empty one', async () => {
  const pages: Record<string, { ids: string[]; next: string | null }> = {
    null: { ids: ['3', '2'], next: 'a' },
    a: { ids: [], next: 'b' },
    b: { ids: ['1'], next: null },
  }
  const asked = fakeApi({
    AuditLog: ({ after }) => {
      const page = pages[String(after)]
      return {
        auditLog: {
          nodes: page?.ids.map((id) => ({ ...ENTRY, id })),
          pageInfo: { hasNextPage: page?.next !== null, endCursor: page?.next },
        },
      }
    },
  })
  const onProgress = vi.fn()
  const filter = auditFilterOf({ caller: 'ada' })
  const { lines, more } = await exportAuditLog(filter, { signal: new AbortController().signal, onProgress })
  expect(lines.map((line) => JSON.parse(line).id)).toEqual(['3', '2', '1'])
  expect(more).toBe(false)
  expect(onProgress).toHaveBeenLastCalledWith(3)
  expect(asked.every(({ variables }) => (variables.filter as { caller: string }).caller === 'ada')).toBe(true)
})

test('the filter of an address', () => {
  const search = auditSearch({ caller: 'ada', kind: 'job', outcome: 'REFUSED', object: 'j', action: '' })
  expect(auditFilterOf(search)).toEqual({
    from: null,
    to: null,
    caller: 'ada',
    action: null,
    objectKind: 'job',
    objectId: 'j',
    outcome: 'REFUSED',
  })
  expect(auditSearch({ kind: 'nonsense', outcome: 'MAYBE' })).toEqual({})
})
