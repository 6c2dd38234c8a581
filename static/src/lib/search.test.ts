import { expect, test } from 'vitest'
import { jobsSearch } from '@/filters/address'
import { parseSearch, stringifySearch } from './search'

test('filters survive the address', () => {
  const filters = { search: 'näme & <b>', status: ['PAUSED'], tag: ['a,b', 'c'], order: 'NAME' }
  expect(jobsSearch(parseSearch(stringifySearch(filters)))).toMatchObject(filters)
})

test('what is empty does not stand in the address', () => {
  expect(stringifySearch({ search: '', status: [], tag: undefined })).toBe('')
})

test('an address of somebody else is read as far as it is understood', () => {
  const search = jobsSearch(parseSearch('?status=ACTIVE&status=NONSENSE&order=UPSIDE_DOWN&type=cron'))
  expect(search).toMatchObject({ status: ['ACTIVE'], order: undefined, type: undefined })
})
