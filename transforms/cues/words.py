"""The words that label questions, reasoning and answers, in the languages that are known."""

import re
from collections.abc import Iterable

# Words are case-folded, "_" stands for a space.
_THINKING = (
    "reasoning rationale explanation justification thought thoughts working thinking"
    " chain_of_thought chain-of-thought thought_process"
    " begründung erklärung überlegung gedankengang lösungsweg raisonnement explication"
    " razonamiento explicación justificación raciocínio explicação justificativa ragionamento"
    " spiegazione redenering uitleg resonemang förklaring rozumowanie uzasadnienie wyjaśnienie"
    " рассуждение рассуждения объяснение пояснение обоснование açıklama 推理 思考 解析 推論 解説"
    " 考え方 思考過程 추론 해설"
)
THINKING = frozenset(word.replace("_", " ") for word in _THINKING.split())
"""Words that open a response to any question with its steps, before the final answer."""

_SOLVING = "solution sol soln lösung solución solução soluzione решение 解 풀이"
SOLVING = frozenset(_SOLVING.split())
"""Words that open a response, or its steps where an answer has a label of its own."""

# What is asked under the words at the left is answered under those at the right, or thought about.
# One letter stands for what it abbreviates.
WORD_PAIRS: tuple[tuple[str, str], ...] = (
    ("q question quest ques", "a answer ans response reply solution step-by-step_answer"),
    ("exercise problem example task puzzle riddle ex", "solution answer sol soln ans"),
    ("instruction prompt", "response output completion answer"),
    ("ｑ", "ａ"),
    ("q question", "r réponse reponse réponse_étape_par_étape"),
    ("frage f", "antwort lösung a schritt-für-schritt-antwort"),
    ("aufgabe übung", "lösung antwort"),
    ("exercice problème", "solution réponse"),
    ("pregunta p", "respuesta solución r respuesta_paso_a_paso"),
    ("ejercicio problema", "solución respuesta"),
    ("pergunta p", "resposta solução r"),
    ("domanda d", "risposta soluzione r"),
    ("vraag v", "antwoord a"),
    ("fråga f spørgsmål spørsmål", "svar s"),
    ("pytanie p", "odpowiedź o"),
    ("вопрос в", "ответ решение о пошаговое_решение пошаговый_ответ"),
    ("задача упражнение", "решение ответ"),
    ("питання п", "відповідь в"),
    ("soru", "cevap yanıt"),
    ("問 质问 質問 问 问题 問題", "答 答え 回答 答案 解答 解 逐步解答 ステップごとの答え"),
    ("질문 문 문제", "답변 답 해답"),
    ("سؤال س السؤال", "جواب ج الجواب"),
    ("प्रश्न", "उत्तर"),
    ("ερώτηση ε", "απάντηση α"),
    ("otázka", "odpověď odpoveď"),
    ("kérdés k", "válasz v"),
    ("întrebare", "răspuns"),
    ("kysymys k", "vastaus v"),
    ("câu_hỏi hỏi", "trả_lời đáp"),
    ("pertanyaan", "jawaban"),
)


def longest_first(words: Iterable[str]) -> str:
    """Rust and Python regular expression of any of the words; none hides a longer one."""
    # By first letters, because Python tries one alternative after the other.
    rests: dict[str, list[str]] = {}
    for word in sorted(set(words), key=lambda word: (-len(word), word)):
        rests.setdefault(word[0], []).append(re.escape(word[1:]))
    return "|".join(f"{re.escape(first)}(?:{'|'.join(rest)})" for first, rest in rests.items())


def _roles() -> tuple[dict[str, frozenset[int]], dict[str, frozenset[int]]]:
    """For each word, the pairs in which it asks, and those in which it answers."""
    asks: dict[str, set[int]] = {}
    answers: dict[str, set[int]] = {}
    for ordinal, sides in enumerate(WORD_PAIRS):
        for words, side in zip(sides, (asks, answers), strict=True):
            for word in words.split():
                side.setdefault(word.replace("_", " ").casefold(), set()).add(ordinal)
    for word in sorted(THINKING):
        answers[word] = set(range(len(WORD_PAIRS)))
    return (
        {word: frozenset(ordinals) for word, ordinals in asks.items()},
        {word: frozenset(ordinals) for word, ordinals in answers.items()},
    )


ASKS, ANSWERS = _roles()
FINAL_WORDS = tuple(
    word for word in ANSWERS if (len(word) > 1 or not word.isascii()) and word not in THINKING
)
"""Words that may announce a final answer inside a response."""

QUESTION_MARKS = ("?", "？", "؟")
"""What a question ends with, in the scripts that mark it."""
