import { render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { useState } from 'react'
import { expect, test } from 'vitest'
import { TimeField } from './time-field'

function Example({ first }: { first: string }) {
  const [value, setValue] = useState(first)
  return (
    <>
      <TimeField label="From" value={value} onChange={setValue} />
      <output>{value}</output>
    </>
  )
}

const said = () => screen.getByRole('status').textContent

test('a time stands on a clock of 24 hours, and is typed on one', async () => {
  const user = userEvent.setup()
  render(<Example first="2026-11-24T22:05:00" />)
  const field = screen.getByLabelText<HTMLInputElement>('From')
  expect(field.value).toBe('2026-11-24 22:05:00')
  await user.clear(field)
  await user.type(field, '2026-11-25 7:3')
  expect(said()).toBe('2026-11-24T22:05:00')
  await user.type(field, '0')
  expect(said()).toBe('2026-11-25T07:30:00')
  await user.tab()
  expect(field.value).toBe('2026-11-25 07:30:00')
})

test('what is no time stays as it was typed, for the check of the form', async () => {
  const user = userEvent.setup()
  render(<Example first="" />)
  await user.type(screen.getByLabelText('From'), 'tomorrow')
  await user.tab()
  expect(said()).toBe('tomorrow')
})
