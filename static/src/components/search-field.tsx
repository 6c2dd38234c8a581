import { Search } from 'lucide-react'
import { useEffect, useEffectEvent, useId, useState } from 'react'
import { INPUT_CLASS } from './field'

/** Pause after the last key before the search, in milliseconds. */
const TYPING_PAUSE = 250

interface SearchFieldProps {
  /** Read out. */
  label: string
  /** Shown in the empty field. */
  hint: string
  value: string
  onChange: (text: string) => void
  /** Values to choose from; others can be typed, too. */
  choices?: readonly string[]
}

/** Searches after a pause in typing; follows changes of the address. */
export function SearchField({ label, hint, value, onChange, choices }: SearchFieldProps) {
  const [text, setText] = useState(value)
  const [asked, setAsked] = useState(value)
  const listId = useId()
  if (value !== asked) {
    setAsked(value)
    setText(value)
  }
  const search = useEffectEvent(() => {
    setAsked(text)
    onChange(text)
  })
  useEffect(() => {
    if (text === asked) return
    const timer = setTimeout(search, TYPING_PAUSE)
    return () => clearTimeout(timer)
  }, [text, asked])
  return (
    <label className="relative min-w-40 flex-1 sm:max-w-72">
      <span className="sr-only">{label}</span>
      <Search size={15} aria-hidden className="absolute top-2 left-2.5 text-faint" />
      <input
        type="search"
        value={text}
        maxLength={255}
        placeholder={hint}
        list={choices && listId}
        onChange={(event) => setText(event.target.value)}
        className={`${INPUT_CLASS} pl-8`}
      />
      {choices && (
        <datalist id={listId}>
          {choices.map((choice) => (
            <option key={choice} value={choice} />
          ))}
        </datalist>
      )}
    </label>
  )
}
