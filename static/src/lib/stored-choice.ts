// Choices that are kept in this browser.

import { useSyncExternalStore } from 'react'

/** A choice between words; the first is the default. `onChoose` gets each new one. */
export function storedChoice<Word extends string>(
  key: string,
  words: readonly [Word, ...Word[]],
  onChoose: (word: Word) => void = () => {},
) {
  const listeners = new Set<() => void>()
  const read = (): Word => {
    const kept = localStorage.getItem(key)
    return words.find((word) => word === kept) ?? words[0]
  }
  const announce = () => {
    for (const listener of listeners) listener()
  }
  const subscribe = (listener: () => void) => {
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
    }
  }
  const choose = (word: Word) => {
    localStorage.setItem(key, word)
    onChoose(word)
    announce()
  }
  /** The choice, and how to change it. */
  const useChoice = (): [Word, (word: Word) => void] => [useSyncExternalStore(subscribe, read), choose]
  return { read, announce, subscribe, useChoice }
}
