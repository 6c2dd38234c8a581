// One question before what cannot be undone, or what reaches many jobs.

import { createContext, type ReactNode, useCallback, useContext, useRef, useState } from 'react'
import { errorMessage } from '@/api/client'
import { useLazyPart } from '@/api/lazy-part'
import { useToast } from './toasts'

export interface Question {
  title: string
  /** What will happen, in a sentence or two. */
  text: ReactNode
  /** The command itself, as the button says it. */
  action: string
  danger?: boolean
  /** The other button. Default: "Cancel"; a question about a cancellation needs another word. */
  keep?: string
  /** Asks for a text besides: a line such as a reason, or JSON. */
  input?: { label: string; placeholder?: string; hint?: string; json?: true; value?: string }
  /** Offers something besides; told whether it was ticked when the answer is yes. */
  tick?: { label: string; onAnswer: (ticked: boolean) => void }
}

/** The text that was asked for (empty without one), or null for no. */
export type Answer = string | null

const ConfirmContext = createContext<(question: Question) => Promise<Answer>>(() => Promise.resolve(null))

/** Asks the person; resolves when there is an answer. */
export const useConfirm = () => useContext(ConfirmContext)

const getDialog = () => import('./question-dialog')

/** Holds the question that is being asked. */
export function Confirm({ children }: { children: ReactNode }) {
  const [question, setQuestion] = useState<Question | null>(null)
  const resolve = useRef<(answer: Answer) => void>(() => {})
  const toast = useToast()

  const ask = useCallback((next: Question) => {
    resolve.current(null)
    setQuestion(next)
    return new Promise<Answer>((settle) => {
      resolve.current = settle
    })
  }, [])
  const settle = (answer: Answer) => {
    resolve.current(answer)
    setQuestion(null)
  }
  const QuestionDialog = useLazyPart(getDialog, question !== null, (error) => {
    // What cannot be asked is not done.
    settle(null)
    toast({ kind: 'failed', message: `${errorMessage(error)} Reload it.` })
  })

  return (
    <ConfirmContext value={ask}>
      {children}
      {QuestionDialog && <QuestionDialog question={question} onAnswer={settle} />}
    </ConfirmContext>
  )
}
